import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter";
import { VersionRecord } from "@portolan/registry/contract";
import { modelBom } from "@portolan/registry/policy";
import { findPython, pythonMinors } from "@portolan/training";
import { environmentKey, readLock } from "@portolan/training/policy";
import { Value } from "@portolan/typebox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { putInForce } from "../../../apps/control/test/api.ts";
import {
  buildSet,
  modelOf,
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
  trainerOf,
} from "../../../apps/control/test/team-world.ts";
import { visitsSet } from "../../../apps/control/test/visits.ts";
import { pythonClient } from "../../../tools/python-client.ts";

/** The shipped DP-SGD program as a training run of the platform, from its record to the gate of a charter that bounds its loss. */
const client = await pythonClient("adoption");
/** The one that the client's environment is made with. */
const python =
  client === undefined
    ? undefined
    : await findPython(["python3"], pythonMinors, { PATH: process.env["PATH"] ?? "" });
const program = readFileSync(join(import.meta.dirname, "../../../packages/training/programs/dp_sgd.py"));
/** As an environment's key is made of it: one package a line. */
const lock = readLock(readFileSync(join(import.meta.dirname, "requirements.lock"), "utf8"))
  .map(
    ({ name, version, hashes }) =>
      `${name}==${version}${hashes.map((hash) => ` --hash=sha256:${hash}`).join("")}\n`,
  )
  .join("");

describe.skipIf(python === undefined)("a charter that bounds the privacy loss (G13)", () => {
  let world: TeamWorld;
  let work: TeamWork;
  let trainingSet: string;
  beforeAll(async () => {
    world = await openTeamWorld();
    work = await prepareData(world);
    if (!python || client === undefined) return;
    // The client's environment is of this very lock: it need not be installed twice.
    const envs = join(world.control.home, "envs");
    mkdirSync(envs, { recursive: true });
    symlinkSync(join(client, "../.."), join(envs, environmentKey(lock, python)));
    const features = [
      { name: "wait_now", expression: "wait" },
      { name: "jitter", expression: "wait * 37 % 31" },
    ];
    trainingSet = await buildSet(world, visitsSet(work.place, { request: features }));
  });
  afterAll(() => world.control.close());

  const params = {
    noise_multiplier: 2,
    sampling_rate: 0.1,
    steps: 50,
    delta: 1e-5,
    clipping_norm: 1,
    learning_rate: 1,
    ranges: "wait_now=0:60, jitter=0:31, visits_3h=0:10, wait_3h=0:60",
  };
  const train = async (code: Uint8Array, text: string, given: object) => {
    const locks = { [python?.minor ?? ""]: await world.upload("sam", work.place, Buffer.from(text)) };
    const uploaded = await world.upload("sam", work.place, code);
    const asked = {
      ...work.place,
      trainingSetId: trainingSet,
      code: uploaded,
      locks,
      params: given,
      seed: 7,
    };
    const run = String((await world.post("sam", "/v1/training-runs", asked))["id"]);
    await world.control.runJobs(world.control.jobs.data);
    const { body } = await world.get("sam", `/v1/training-runs/${run}`);
    if (body["state"] !== "succeeded") throw new Error(JSON.stringify(body).slice(0, 2000));
    const result = body["result"] as { readonly model: string; readonly privacy?: object };
    const lineage = { origin: "trained", trainingRunId: run };
    const push = { useCaseId: work.place.useCaseId, artifact: result.model, lineage };
    const version = (await world.post("pipeline", "/v1/models/visits/versions", push))["version"];
    return { version: Number(version), privacy: result.privacy };
  };
  const privacyRefusals = async (version: number) => {
    const path = `/v1/models/visits/versions/${version}/promotions`;
    const { status, body } = await world.control.call("POST", path, { to: "staging" }, await world.as("ron"));
    expect(status).toBe(409); // it was never evaluated, whatever its privacy
    const violations = (body["violations"] ?? []) as { readonly detail: string }[];
    return violations.map(({ detail }) => detail).filter((detail) => detail.startsWith("privacy"));
  };
  const bounded = (maximumEpsilon: number) =>
    readTemplate("flight-delays").replace(
      "  featureFreshness:",
      `  privacy: { maximumEpsilon: ${maximumEpsilon}, delta: 1.0e-6 }\n  featureFreshness:`,
    );

  test("the loss is on record from the run to the bill of materials, and releases are judged by it", async () => {
    const shipped = await train(program, lock, params);
    const other = await train(Buffer.from(trainerOf(modelOf([0.1, 0.1, 0, 0], -3))), "# nothing\n", params);
    expect(shipped.privacy).toMatchObject({
      epsilon: expect.closeTo(1.5, 0) as number,
      delta: 1e-5,
      noise: "secret",
    });
    expect(other.privacy).toBeUndefined();
    const { body } = await world.get("mia", `/v1/models/visits/versions/${shipped.version}/record`);
    expect(body).toMatchObject({ training: { privacy: shipped.privacy } });
    const record: unknown = body;
    if (!Value.Check(VersionRecord, record)) throw new Error("the record is not as its schema says");
    expect(JSON.stringify(modelBom(record))).toContain("portolan:privacy:epsilon");

    expect(await privacyRefusals(shipped.version)).toEqual([]);
    await putInForce(world.control, bounded(5));
    expect(await privacyRefusals(shipped.version)).toEqual([]);
    expect(await privacyRefusals(other.version)).toEqual([
      expect.stringContaining("not trained here by the shipped"),
    ]);
    await putInForce(world.control, bounded(0.1));
    expect(await privacyRefusals(shipped.version)).toEqual([expect.stringMatching(/observed ε = \d/)]);
  });
});
