import { execFile } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readTemplate } from "@portolan/charter/templates";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { doneBy } from "../../apps/cli/test/delays.ts";
import { type Product, runPortolan, startProduct } from "../../apps/cli/test/product.ts";
import { must, putInForce } from "../../apps/control/test/api.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "../../apps/control/test/visits.ts";
import { requirePython } from "../../packages/training/test/trainer-fixture.ts";

/** The pipeline that `portolan ci init github` writes, step by step against the whole product, with tokens in GitHub's form. */
const root = resolve(import.meta.dirname, "../..");
const python = await requirePython();
const repository = mkdtempSync(join(tmpdir(), "portolan-ci-"));
const subject = "repo:acme/delays:ref:refs/heads/main";
const permit = "permit-of-the-job";
let product: Product;
let provider: Server;
let issuer = "";
const done = doneBy(() => product);

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** A token as GitHub makes them for jobs (docs.github.com, "OpenID Connect reference"). */
function jobToken(audience: string, sub: string): string {
  const now = Math.floor(performance.timeOrigin + performance.now()) / 1000;
  const claims = {
    iss: issuer,
    aud: audience,
    sub,
    iat: Math.floor(now),
    nbf: Math.floor(now) - 5,
    jti: `${now}`,
  };
  const words = [
    { typ: "JWT", alg: "RS256", kid: "k1" },
    { ...claims, exp: Math.floor(now) + 300 },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const text = words.join(".");
  return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
}

/** Publishes its key, and gives tokens to who has the job's permit. */
async function startProvider(): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (url.pathname === "/.well-known/jwks") {
      const key = { ...publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" };
      response.end(JSON.stringify({ keys: [key] }));
    } else if (request.headers.authorization === `Bearer ${permit}`) {
      const sub = url.searchParams.get("sub") ?? subject;
      response.end(JSON.stringify({ value: jobToken(url.searchParams.get("audience") ?? "", sub) }));
    } else response.writeHead(401).end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  issuer = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return server;
}

const model = Buffer.from(logisticModel([1, 0], -10.5)).toString("base64");
const program = `import base64, json, os
from pathlib import Path
names = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())["features"]
model = base64.b64decode("${model}") if names[0] == "wait_now" else base64.b64decode("${Buffer.from(logisticModel([0, 1], -10.5)).toString("base64")}")
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(model)
(output / "metrics.json").write_text(json.dumps({"features": len(names)}))
`;

/** What a team has in its repository. */
function writeRepository(minor: string): void {
  for (const folder of ["contracts", "training"]) mkdirSync(join(repository, folder));
  // Where a runner keeps its folders, the command line is there already.
  symlinkSync(root, join(repository, ".portolan-cli"));
  const { environment: _, from: __, to: ___, ...recipe } = visitsSet({ environment: "production" });
  const day = (from: string, to: string) => ({
    from: `2026-03-${from}T00:00:00Z`,
    to: `2026-03-${to}T00:00:00Z`,
  });
  const files = {
    "charter.yaml": readTemplate("flight-delays"),
    "contracts/visits.odcs.yaml": visitsContract,
    "training/train.py": program,
    [`training/requirements-${minor}.lock`]: "# nothing is locked\n",
    "training/training-set.json": JSON.stringify({ ...recipe, ...day("01", "02") }),
    "training/held-out.json": JSON.stringify(day("02", "03")),
  };
  for (const [path, text] of Object.entries(files)) writeFileSync(join(repository, path), text);
}

/** A use case with its charter in force and two days of rows. */
async function prepare(): Promise<void> {
  for (const line of [
    "business-unit create operations",
    "team create network-planning --business-unit operations",
    "use-case create flight-delays --team network-planning",
    "user create lea",
    "user create ron",
    "grant team_lead --to lea --scope-kind team --scope network-planning",
    "grant approver_risk --to ron",
  ])
    await done(line);
  await putInForce(product, readTemplate("flight-delays"));
  const admin = await product.token("admin");
  await must(product, "PUT", "/v1/contracts/visits", { document: visitsContract }, admin);
  const document = visitsView.replace(/\n.*wait_3h.*\n/, "\n");
  await must(product, "PUT", "/v1/feature-views/visits-by-place", { document }, admin);
  const inbox = join(product.home, "inbox");
  mkdirSync(inbox, { recursive: true });
  writeFileSync(join(inbox, "visits.csv"), visitsCsv);
  await done(
    `data ingest ${inbox}/visits.csv --contract visits --environment production --use-case flight-delays`,
  );
}

beforeAll(async () => {
  if (!python) return;
  provider = await startProvider();
  product = await startProduct();
  writeRepository(python.minor);
  await prepare();
});
afterAll(async () => {
  provider?.close();
  await product?.[Symbol.asyncDispose]();
  rmSync(repository, { recursive: true, force: true });
});

interface Job {
  readonly env: Readonly<Record<string, string>>;
  readonly steps: readonly { readonly name?: string; readonly run?: string }[];
}

/** As GitHub runs them: `bash -e`, one process a step, in the repository. */
async function runSteps({ env, steps }: Job, more: Readonly<Record<string, string>>): Promise<string[]> {
  const said: string[] = [];
  for (const { name, run } of steps) {
    if (run === undefined) continue;
    const options = {
      cwd: repository,
      env: { PATH: `${join(process.execPath, "..")}:${process.env["PATH"]}`, ...env, ...more },
    };
    said.push(
      await new Promise<string>((ended, failed) => {
        execFile("bash", ["--norc", "-e", "-c", run], options, (error, out, err) =>
          error ? failed(new Error(`${name}: ${out}${err}`)) : ended(out + err),
        );
      }),
    );
  }
  return said;
}

test.skipIf(!python)(
  "each step of the written pipeline runs, from the job's own token to staging; another branch's token is nobody's",
  async () => {
    const args = `ci init github --dir ${repository} --url ${product.controlUrl} --repository acme/delays --issuer ${issuer} --source https://git.example.com/portolan.git --ref v0.1.0 --json`;
    const { out } = await runPortolan(args.split(" "));
    const { path, setup } = JSON.parse(out) as { path: string; setup: string[] };
    for (const line of setup) await done(line.replace(/^portolan /, ""));
    const { jobs } = parse(readFileSync(path, "utf8")) as { jobs: { check: Job; release: Job } };
    await runSteps(jobs.check, {});
    const actions = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${issuer}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: permit,
    };
    const other = `${actions.ACTIONS_ID_TOKEN_REQUEST_URL}&sub=${encodeURIComponent("repo:acme/delays:ref:refs/heads/other")}`;
    await expect(runSteps(jobs.release, { ...actions, ACTIONS_ID_TOKEN_REQUEST_URL: other })).rejects.toThrow(
      /Log in[^]*credential/,
    );
    const said = await runSteps(jobs.release, actions);
    expect(said.at(-1)).toContain("flight-delays version 1 is promoted to staging");
    const { out: shown } = await done("model show flight-delays 1 --json");
    expect(JSON.parse(shown)).toMatchObject({ stages: ["staging"], lineage: { origin: "trained" } });
  },
  120_000,
);

test.skipIf(!python)(
  "a version that was trained here is quantised behind the trainers' walls into the next one, measured and judged beside it",
  async () => {
    const shown = JSON.parse((await done("model show flight-delays 1 --json")).out) as {
      readonly artifact: string;
      readonly evaluations: readonly { readonly trainingSetId: string }[];
    };
    const heldOut = shown.evaluations[0]?.trainingSetId ?? "";
    const line = `model quantize flight-delays 1 --method static-int8 --held-out ${heldOut} --metric roc_auc:0.01 --json`;
    const { out, err } = await product.cli(...line.split(" "));
    const found = JSON.parse(out || `"${err}"`) as Quantised;
    expect(found).toMatchObject({ version: 2, from: 1, method: "static-int8" });
    for (const { compute, costPerThousand } of found.versions) {
      expect(compute.single.p95Micros).toBeGreaterThan(0);
      expect(costPerThousand).toMatch(/^\d+\.\d+ [A-Z]{3}$/);
    }
    expect(found.comparison).toMatchObject({ challenger: 2, champion: 1, heldOut: { shown: true } });
    const made = JSON.parse((await done("model show flight-delays 2 --json")).out) as object;
    expect(made).toMatchObject({
      lineage: { origin: "trained", base: shown.artifact, trainingRunId: found.run },
    });
    expect((await done("model diff flight-delays 1 2")).out).toContain("made from model");
    const ancestors = (await done("lineage flight-delays/2 --upstream --json")).out;
    expect(ancestors).toContain(shown.artifact.slice(7));
    const again = await product.cli(..."model quantize flight-delays 2 --method fp16".split(" "));
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("quantised already")]);
  },
  240_000,
);

interface Quantised {
  readonly run: string;
  readonly versions: readonly {
    readonly compute: { readonly single: { readonly p95Micros: number } };
    readonly costPerThousand: string;
  }[];
  readonly comparison: object;
}
