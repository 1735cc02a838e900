import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { EventReceipt, Release } from "@portolan/rollout/contract";
import type { EndpointList } from "@portolan/serving/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDelays, createShopKey, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";

/** Releases by the whole product: a real gateway, its records, and a control that is killed while it decides. */
const folder = mkdtempSync(join(tmpdir(), "portolan-releases-"));
let product: Product;
let key = "";
const done = doneBy(() => product);

const body = JSON.stringify({ inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] });

/** Tells of predictions that what they were about was a yes. */
async function tellThatAllWereYes(predictions: readonly string[]): Promise<void> {
  const observedAt = "2026-01-01T00:00:00Z";
  const outcomes = predictions.map((predictionId) => ({ predictionId, outcome: true, observedAt }));
  await must(product, "POST", "/v1/outcomes", { outcomes }, await product.token("admin"));
}

/** Asks without pause, a few requests at a time, until told to stop. */
function traffic() {
  const versions = new Map<string, number>();
  const predictions: string[] = [];
  const all: string[] = [];
  let isOver = false;
  const ask = async (): Promise<void> => {
    while (!isOver) {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const url = `${product.gatewayUrl}/v2/models/delays/infer`;
      const answer = await fetch(url, { method: "POST", headers, body }).catch(() => undefined);
      const { model_version: version = "none" } = answer
        ? ((await answer.json()) as { model_version?: string })
        : {};
      versions.set(version, (versions.get(version) ?? 0) + 1);
      const id = answer?.headers.get("x-portolan-prediction-id");
      if (id) all.push(id);
      if (id && version === "1") predictions.push(id);
      await sleep(5);
    }
  };
  const askers = Array.from({ length: 8 }, ask);
  return {
    versions,
    /** What version 1 answered. */
    predictions,
    /** What anybody answered. */
    all,
    stop: async () => {
      isOver = true;
      await Promise.all(askers);
    },
  };
}

async function status(): Promise<Release> {
  return JSON.parse((await done("release status delays --json")).out) as Release;
}

/** The version that the endpoint serves, once a snapshot says so. */
async function served(): Promise<number | undefined> {
  const { endpoints } = JSON.parse((await done("endpoint list --json")).out) as EndpointList;
  return endpoints.find(({ snapshotVersion }) => snapshotVersion !== null)?.route.model.version;
}

/** A test has not the time for a margin of one request in a hundred. */
function start(version: number, kinds: readonly object[], over: object = {}) {
  const steps = kinds.map((step) => ({ ...step, leastRequests: 60, leastSeconds: 1 }));
  const plan = join(folder, "plan.json");
  writeFileSync(
    plan,
    JSON.stringify({ steps, margin: { relative: 0.1, absolute: 0.08 }, events: ["support"], ...over }),
  );
  return done(`release start delays delays ${version} --environment dev --plan ${plan}`);
}
const shadow = { kind: "shadow", sample: 1 };
const canaries = [20, 50].map((percent) => ({ kind: "canary", percent }));

beforeAll(async () => {
  product = await startProduct();
  await createDelays(done);
  key = await createShopKey(done);
  const models = [
    logisticModel([1, 2], 0),
    logisticModel([1, 2.5], 0),
    logisticModel([1, 2], Number.NaN),
    logisticModel([-1, -2], 0),
  ];
  for (const [at, bytes] of models.entries()) {
    const path = join(folder, `${at + 1}.onnx`);
    writeFileSync(path, bytes);
    await done(`--as ci model import ${path} --name delays --use-case delays --environment dev`);
  }
  await done("endpoint deploy delays delays 1 --use-case delays --environment dev");
}, 300_000);
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("a flag that is set by the command line says to an application what its role and its share have, from the gateway", async () => {
  const evaluate = async (name: string, entity: string) => {
    const answer = await fetch(`${product.gatewayUrl}/ofrep/v1/evaluate/flags/${name}`, {
      method: "POST",
      headers: { "x-api-key": key },
      body: JSON.stringify({ context: { targetingKey: entity } }),
    });
    return (await answer.json()) as { value?: boolean; reason?: string; errorCode?: string };
  };
  await done("flag set delays new-form --environment dev --rule role=application:true --reason", "to try");
  await soon(async () => (await evaluate("delays.new-form", "u")).value === true);
  await done("flag set delays new-form --environment dev --rule role=auditor:true group=delays:on:0");
  await soon(async () => (await evaluate("delays.new-form", "u")).reason === "DEFAULT");
  await done("flag set delays new-form --environment dev --rule group=delays:on");
  await soon(async () => (await evaluate("delays.new-form", "u")).reason === "TARGETING_MATCH");
  expect((await done("flag list delays")).out).toMatch(/new-form +dev +on +false +1/);
  const asked = "flag evaluate delays.new-form --environment dev --as shop --json";
  expect(JSON.parse((await done(asked)).out)).toMatchObject({ key: "delays.new-form", value: true });
  await done("flag delete delays new-form --environment dev");
  await soon(async () => (await evaluate("delays.new-form", "u")).errorCode === "FLAG_NOT_FOUND");
});

test("a good version goes to champion, through a control that is killed on the way; then one command takes it back", async () => {
  const load = traffic();
  try {
    await start(2, [shadow, ...canaries]);
    await soon(async () => (await status()).step >= 1);
    // Of this step: while nobody reports any, the stream may be dead, and nothing is promoted.
    const reported = load.predictions.at(-1) ?? "";
    const report = async () =>
      JSON.parse((await done(`release report delays support ${reported} --json`)).out) as EventReceipt;
    await soon(async () => (await report()).unknown.length === 0);
    expect(await report()).toEqual({ added: 0, duplicates: 1, unknown: [] });
    const pid = product.kill("control");
    await product.untilRestarted("control", pid);
    await product.untilReady("control", 60_000);
    const { out } = await done("release status delays --wait --json");
    expect(JSON.parse(out)).toMatchObject({ state: "promoted", isSettled: true, candidate: { version: 2 } });
    await soon(async () => (await served()) === 2);
    expect(load.versions.get("2")).toBeGreaterThan(100);
    expect((await done("release status delays")).out).toContain("no worse");
    await done("release rollback delays --reason", "support tickets");
    await soon(async () => (await served()) === 1);
  } finally {
    await load.stop();
  }
}, 240_000);

test("a version that answers no number is taken back by control, within seconds of its first requests", async () => {
  const load = traffic();
  try {
    await start(3, canaries);
    await soon(async () => (await status()).evidence.some(({ candidate }) => candidate.requests > 0));
    const first = performance.now();
    await soon(async () => (await status()).state === "rolled_back");
    expect(performance.now() - first).toBeLessThan(30_000);
    const release = await status();
    expect(release.reasons.join()).toMatch(/evidence of harm/);
    expect(release.endedBy).toBe("release-controller");
    await soon(async () => (await served()) === 1 && (await status()).isSettled);
    const { code, err } = await product.cli(..."release pause delays".split(" "));
    expect([code, err]).toEqual([1, expect.stringContaining("(rollout.wrong_state)")]);
  } finally {
    await load.stop();
  }
}, 240_000);

test("a version that says no where the outcome was yes is taken back by its outcomes alone", async () => {
  const load = traffic();
  try {
    await start(4, canaries.slice(1), { events: [], wrong: { decideAt: 0.5 } });
    let told = 0;
    await soon(async () => {
      await tellThatAllWereYes(load.all.slice(told));
      told = load.all.length;
      return (await status()).state === "rolled_back";
    });
    const { reasons, evidence } = await status();
    expect(reasons).toEqual([expect.stringMatching(/^wrong: evidence of harm/)]);
    expect(evidence.at(-1)).toMatchObject({ candidate: { errors: 0 }, control: { wrong: 0 } });
    await soon(async () => (await served()) === 1 && (await status()).isSettled);
  } finally {
    await load.stop();
  }
}, 240_000);
