import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityModel, logisticModel, onnxType } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDelays, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { type CommandResult, type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { accountsView, changesContract } from "../../packages/features/test/accounts-fixture.ts";

/** docs/spec/features.md F74 over the whole product: a text goes online, is served to a model of texts, and is derived again. */

let product: Product;
let folder: string;
const done = doneBy(() => product);
const call = async (method: "GET" | "POST" | "PUT", path: string, body?: unknown) =>
  must(product, method, path, body, await product.token("admin"));

const carriers = { a: "Z\u00fcrich", b: "", c: "it's \"\\", d: "\u{1f6eb}".repeat(63) };
const accounts = [...Object.keys(carriers), "long", "nobody"];

async function ingest(): Promise<void> {
  const now = new Date().toISOString();
  const stated = [...Object.entries(carriers), ["long", "x".repeat(256)]];
  const lines = stated.map(([account, carrier]) =>
    JSON.stringify({ at: now, known: now, op: "U", account, carrier, cents: 1 }),
  );
  const file = join(product.home, "inbox", "one.jsonl");
  await mkdir(join(product.home, "inbox"), { recursive: true });
  await writeFile(file, `${lines.join("\n")}\n`);
  await done(`data ingest ${file} --contract changes`);
}

const predict = (): Promise<CommandResult> => {
  const inputs = [{ name: "account", shape: [accounts.length], datatype: "BYTES", data: accounts }];
  const line = "--as shop predict delays --environment dev --json --data".split(" ");
  return product.cli(...line, JSON.stringify({ inputs }));
};

/** Deploys version `version` with the text in its one column. */
async function deploy(version: number, input: string, index: number | null): Promise<CommandResult> {
  const { digest } = await call("GET", "/v1/feature-views/accounts");
  const from = { kind: "feature", view: "accounts@1", feature: "carrier" };
  const plan = join(folder, `features-${version}.json`);
  const features = {
    service: "accounts",
    entityKeys: ["account"],
    views: [{ name: "accounts@1", digest, entityKeys: ["account"] }],
    columns: [{ input, index, from, missing: "unknown" }],
    maxAgeMs: null,
  };
  await writeFile(plan, JSON.stringify(features));
  const line = `endpoint deploy delays delays ${version} --use-case delays --environment dev --features`;
  return product.cli(...line.split(" "), plan);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-text-features-"));
  product = await startProduct();
  await createDelays(done);
  const contract = changesContract.replace(
    "      - { name: cents,",
    "      - { name: carrier, logicalType: string }\n      - { name: cents,",
  );
  await call("PUT", "/v1/contracts/changes", { document: contract, references: {} });
  const view = accountsView.concat("  - { name: carrier, value: carrier }\n");
  await call("PUT", "/v1/feature-views/accounts", { document: view });
  const policy =
    "kind: AccessPolicy\nname: parity\neffect: allow\npurposes: [parity, serving]\ncontracts: [changes]\n";
  await call("PUT", "/v1/access-policies/parity", { document: policy });
  await ingest();
  const path = "/v1/feature-views/accounts/materializations";
  const { id } = await call("POST", path, { environment: "dev", asOf: Date.now() * 1000 - 1_000_000 });
  await soon(async () => (await call("GET", `/v1/materializations/${String(id)}`))["state"] === "done");
  for (const [name, bytes] of [
    ["texts", identityModel(onnxType.string, [null])],
    ["numbers", logisticModel([1], 0)],
  ] as const) {
    const model = join(folder, `${name}.onnx`);
    await writeFile(model, bytes);
    await done(`--as ci model import ${model} --name delays --use-case delays --environment dev`);
  }
}, 300_000);
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test("a text that would fill an input of numbers is refused when it is deployed", async () => {
  const { code, err } = await deploy(2, "x", 0);
  expect(code).not.toBe(0);
  expect(err).toContain('the feature "accounts@1.carrier" is a text, and "x" takes FP32');
});

test("a model of texts is given them, what is not there has the stand-in, and parity finds the same texts", async () => {
  expect(await deploy(1, "in", null)).toMatchObject({ code: 0 });
  await soon(async () => (await predict()).code === 0);
  const { out } = await predict();
  expect(JSON.parse(out)).toMatchObject({
    outputs: [{ data: [...Object.values(carriers), "unknown", "unknown"] }],
  });
  const read = await product.cli(
    ..."features get delays --environment dev --purpose parity --entity account=b --entity account=long".split(
      " ",
    ),
  );
  expect(read.out).toMatch(/b +accounts@1\.carrier +"" +present/);
  expect(read.out).toMatch(/long +accounts@1\.carrier +- +null/);
  let report: Readonly<Record<string, unknown>> = {};
  await soon(async () => {
    const { out: said } = await product.cli(
      ..."features parity --endpoint delays --purpose parity --json".split(" "),
    );
    report = JSON.parse(said) as typeof report;
    return Number(report["compared"]) >= accounts.length;
  });
  expect(report).toMatchObject({ mismatches: 0, skipped: {} });
});

test("control's ledger says of the text that was too long", async () => {
  const { out } = await done("audit search --event features.log.appended --json");
  expect(out).toMatch(/"longTexts": ?1/);
});
