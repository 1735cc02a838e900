import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest, JobHandler } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../../packages/training/test/trainer-fixture.ts";
import { must } from "../../control/test/api.ts";
import { type InProcessControl, openControl } from "../../control/test/in-process.ts";
import { prepareTraining, type TrainedWorld, trainedModel } from "../../control/test/trained-world.ts";
import { type CommandResult, runPortolan } from "./product.ts";

const python = await requirePython();

/** Versions 1 and 2 are trained, judged and promoted as far as production and staging; version 3 is one that no seed decides. */
describe.skipIf(python === undefined)("where a version is from", () => {
  let control: InProcessControl;
  let world: TrainedWorld;
  let url: string;
  let folder: string;

  beforeAll(async () => {
    control = await openControl();
    world = await prepareTraining(control, python?.minor ?? "");
    url = await control.listen();
    folder = await mkdtemp(join(tmpdir(), "portolan-evidence-"));
    await world.train();
    await world.train({ params: { weight: 2 }, remark: "# heavier\n" });
    await world.train({ params: { careless: true, note: "\u009b31m" } });
    for (const version of [1, 2]) {
      await world.evaluate(version);
      await world.promote(version, "staging");
    }
    await world.promote(1, "production");
  }, 600_000);
  afterAll(async () => {
    await control.close();
    await rm(folder, { recursive: true, force: true });
  });

  function runAs(token: string, ...args: string[]): Promise<CommandResult> {
    const env = { PATH: process.env["PATH"], PORTOLAN_URL: url, PORTOLAN_TOKEN: token };
    return runPortolan(["model", ...args], env);
  }
  async function run(persona: string, ...args: string[]): Promise<CommandResult> {
    return runAs(await control.token(persona), ...args);
  }
  /** Lets jobs run for as long as a command waits for them. */
  async function whileJobsRun<T>(handlers: readonly JobHandler[], command: Promise<T>): Promise<T> {
    let isOver = false;
    const ended = command.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await control.runJobs(handlers);
      await sleep(100);
    }
    return ended;
  }
  async function answered(...args: string[]): Promise<Record<string, unknown>> {
    const { out, err } = await run("max", ...args, "--json");
    expect(out, err).not.toBe("");
    return JSON.parse(out) as Record<string, unknown>;
  }

  test("its training, its evaluation and each of its promotions are attested, without anybody asking", async () => {
    const { attestations } = await answered("attestations", trainedModel, "1");
    const about = (attestations as { about: string }[]).map((one) => one.about.replace(/[/].*$/, ""));
    expect(about).toEqual(["training", "evaluation", "promotion", "promotion"]);
    const people = await run("max", "attestations", trainedModel, "1");
    expect(people.out).toContain("https://slsa.dev/provenance/v1");
  });

  test("all of it verifies here, and shows that the version may be where it is and nowhere else", async () => {
    const verified = await run("max", "verify", trainedModel, "1", "--for", "production");
    expect(verified.code, verified.out).toBe(0);
    expect(verified.out).toMatch(/^training +valid +how it was trained$/m);
    expect(verified.out).toMatch(/^evaluation\S+ +valid +evaluation PASSED$/m);
    expect(verified.out).toMatch(/PASSED: PORTOLAN_PRODUCTION$/m);
    const other = await run("max", "verify", trainedModel, "2", "--for", "production");
    expect(other.code).toBe(1);
    expect(other.out).toContain("no verification summary promotes version 2 to production");
  });

  test("a version of before attestations has its training, evaluations and promotions attested when somebody asks for it", async () => {
    const forget =
      "delete from registry.attestations a using registry.versions v where v.id = a.version_id and v.version = 2";
    await control.database.session((session) => session.query(forget));
    expect((await run("max", "attestations", trainedModel, "2")).out).toContain("Nothing is attested");
    const refused = await run("max", "attestations", trainedModel, "2", "--request");
    expect(refused.err).toContain("identity.forbidden");
    const asked = run("ci", "attestations", trainedModel, "2", "--request");
    const { code, out } = await whileJobsRun(control.jobs.governance, asked);
    expect(code, out).toBe(0);
    expect(out).toMatch(/^training .*^evaluation.\S+ .*^promotion.1 /ms);
    expect((await run("max", "verify", trainedModel, "2", "--for", "staging")).code).toBe(0);
  });

  test("evidence in a folder verifies without a server, and a changed byte of it does not", async () => {
    const written = await answered("attestations", trainedModel, "1", "--out", folder);
    expect(written["files"]).toContain("model.sig");
    const version = await must(
      control,
      "GET",
      `/v1/models/${trainedModel}/versions/1`,
      undefined,
      await control.token("ci"),
    );
    const model = join(folder, "model.onnx");
    await writeFile(model, await control.objects.get(version["artifact"] as Digest));
    const names = await readdir(folder);
    const keys = names.filter((name) => name.endsWith(".pem")).map((name) => join(folder, name));
    const offline = (name: string, of: { version?: string; organisation?: string[]; keys?: string[] } = {}) =>
      runPortolan(
        [
          "model",
          "verify",
          name,
          of.version ?? "1",
          "--attestations",
          folder,
          "--file",
          model,
          "--for",
          "production",
          ...(of.organisation ?? ["--organisation", world.acme.organisationId]),
          "--public-key",
          ...(of.keys ?? keys),
        ],
        { PATH: process.env["PATH"], PORTOLAN_HOME: join(folder, "nothing-runs-here") },
      );
    const verified = await offline(trainedModel);
    expect(verified.code, verified.out + verified.err).toBe(0);
    expect((await offline("another")).out).toContain("INVALID");
    const others = [{ version: "2" }, { version: "999" }, { organisation: ["--organisation", "org_other"] }];
    for (const other of others) {
      const { code, out } = await offline(trainedModel, other);
      expect(code).toBe(1);
      expect(out).toContain("it is about another version of the same bytes");
    }
    for (const unclear of [{ version: "abc" }, { organisation: [] }])
      expect((await offline(trainedModel, unclear)).err).toContain("cli.bad_usage");
    const stranger = join(folder, "stranger.key");
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await writeFile(stranger, publicKey.export({ type: "spki", format: "pem" }));
    expect((await offline(trainedModel, { keys: [stranger] })).out).toContain("not trusted");
    const training = join(folder, "training.sigstore.json");
    const bundle = JSON.parse(await readFile(training, "utf8")) as { dsseEnvelope: { payload: string } };
    const payload = Buffer.from(bundle.dsseEnvelope.payload, "base64").toString();
    bundle.dsseEnvelope.payload = Buffer.from(payload.replace('"seed":7', '"seed":8')).toString("base64");
    await writeFile(training, JSON.stringify(bundle));
    const incomplete = await runPortolan(["model", "verify", trainedModel, "1", "--attestations", folder], {
      PATH: process.env["PATH"],
    });
    expect(incomplete.err).toContain("cli.bad_usage");
    const tampered = await offline(trainedModel);
    expect(tampered.code).toBe(1);
    expect(tampered.out).toContain("training: the signature does not match the statement");
  });

  test("a difference of versions names parameters, code as a unified diff, and metrics with intervals", async () => {
    const { diff } = await answered("diff", trainedModel, "1", "2");
    expect(diff).toMatchObject({
      params: [{ what: "weight", after: "2" }],
      data: [],
      features: [],
      environment: [],
      charter: [],
    });
    expect((diff as { codeLines: string[] }).codeLines).toContain("+# heavier");
    const people = await run("max", "diff", trainedModel, "1", "2");
    expect(people.out).toMatch(/^weight +- +2$/m);
    expect(people.out).toMatch(/^roc_auc +1 \[\S+, \S+\] +1 \[\S+, \S+\]$/m);
    expect((await run("max", "diff", trainedModel, "1", "1")).out).not.toContain("Parameters");
    const devOnly = await runAs(
      await control.token("max", ["dev"]),
      "diff",
      trainedModel,
      "1",
      "2",
      "--json",
    );
    expect(JSON.parse(devOnly.out), devOnly.err).toMatchObject({
      diff: { code: [{ what: "code" }], codeLines: [] },
    });
  });

  test("training again from the record gives the same bytes, registers nothing, and says why where it does not", async () => {
    const again = (version: string) =>
      whileJobsRun(control.jobs.data, run("max", "reproduce", trainedModel, version, "--json"));
    const same = await again("1");
    expect(same.code, same.out + same.err).toBe(0);
    expect(JSON.parse(same.out)).toMatchObject({
      isSame: true,
      sameMetrics: 2,
      inputs: [],
      metrics: [],
      why: [],
    });
    const other = await again("3");
    expect(other.code).toBe(1);
    expect(JSON.parse(other.out)).toMatchObject({
      isSame: false,
      metrics: [{ what: "noise" }],
      why: [expect.stringContaining("without the seed") as string],
    });
    const { versions } = await must(
      control,
      "GET",
      `/v1/models/${trainedModel}/versions`,
      undefined,
      await control.token("ci"),
    );
    expect(versions).toHaveLength(3);
  }, 300_000);

  test("the bill of materials and the card say what is on record", async () => {
    const bom = await answered("bom", trainedModel, "1");
    expect(bom).toMatchObject({
      specVersion: "1.6",
      metadata: { component: { type: "machine-learning-model", name: trainedModel, version: "1" } },
    });
    const record = await must(
      control,
      "GET",
      `/v1/models/${trainedModel}/versions/1/record`,
      undefined,
      await control.token("max"),
    );
    const [evaluation] = record["evaluations"] as { metrics: { name: string }[] }[];
    expect(evaluation).toMatchObject({ set: expect.stringMatching(/^sha256:/) as string });
    for (const name of ["roc_auc_minus_baseline", "roc_auc", "brier_score"])
      expect(evaluation?.metrics).toContainEqual(
        expect.objectContaining({ name, interval: expect.anything() as object }),
      );
    const card = await run("max", "card", trainedModel, "1");
    expect(card.out).toMatch(/^<!doctype html>/);
    expect(card.out).toContain("roc_auc");
    expect((await run("max", "bom", trainedModel, "3")).out).not.toContain("\u009b");
    const json = await run("max", "card", trainedModel, "1", "--format", "json");
    expect(JSON.parse(json.out)).toMatchObject({
      model: trainedModel,
      trainingData: { label: "long" },
      promotions: [{ to: "staging" }, { to: "production" }],
    });
  });
});
