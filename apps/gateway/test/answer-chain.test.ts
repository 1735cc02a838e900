import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "@portolan/kernel";
import { createOnnxRuntime, createQuarantine } from "@portolan/onnx";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { ModelReference, Route } from "@portolan/serving/contract";
import type { InferRequest, LoadedModel } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Asked, answerByChain } from "../src/infer/answer-chain.ts";
import { inPlaceOf } from "../src/infer/fallback-context.ts";
import { HealthBook } from "../src/infer/health-book.ts";
import { activate } from "../src/snapshot/serving-state.ts";
import { TestInstallation } from "./installation.ts";

let installation: TestInstallation;
let folder: string;
const open: LoadedModel[] = [];
beforeEach(() => {
  installation = new TestInstallation();
  folder = mkdtempSync(join(tmpdir(), "chain-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((model) => model.close()));
  installation.dispose();
  rmSync(folder, { recursive: true });
});

const request: InferRequest = {
  parameters: {},
  inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: Float32Array.of(1, 2) }],
  outputs: [{ name: "score", binary: false }],
};
const scoreOf = (bias: number) => 1 / (1 + Math.exp(-bias));

/** Versions 1, 2, … of one model; each is known by its answer. Those named in `away` answer nothing any more. */
class Versions {
  readonly #byDigest = new Map<string, LoadedModel>();
  readonly #runtime = createOnnxRuntime({
    quarantine: createQuarantine(join(folder, "quarantine.json"), systemClock),
    clock: systemClock,
    inlineMicros: 1e9,
    loadTimeoutMs: 60_000,
    memoryBytes: 2 ** 31,
  });

  async load(version: number): Promise<ModelReference> {
    const bytes = logisticModel([0.5, -0.25], version);
    const reference = installation.reference("score", version, bytes);
    const { digest, signature } = reference;
    const label = `score/${version}`;
    const model = await this.#runtime.load({
      label,
      digest,
      signature,
      origin: "trained",
      form: "onnx",
      loadBytes: async () => bytes,
    });
    open.push(model);
    this.#byDigest.set(digest, model);
    return reference;
  }

  /** Its runs end only when they are given up; how long they were given is noted. */
  hang({ digest }: Pick<ModelReference, "digest">, given: number[]): void {
    const model = this.#byDigest.get(digest);
    if (!model) return;
    const run: LoadedModel["run"] = async (_inputs, { timeoutMs }) => {
      given.push(timeoutMs);
      await setTimeout(timeoutMs);
      return { kind: "timeout", ranMs: timeoutMs };
    };
    this.#byDigest.set(digest, Object.assign(Object.create(model) as LoadedModel, { run }));
  }

  readonly ready = ({ digest }: ModelReference): LoadedModel | undefined => this.#byDigest.get(digest);

  async end({ digest }: ModelReference): Promise<void> {
    await this.#byDigest.get(digest)?.close();
  }
}

function asked(route: Route, versions: Versions, variant?: string): Asked {
  const champion = activate(route, 1, versions.ready);
  return {
    champion,
    chosen: (variant === undefined ? undefined : champion.others.splits.get(variant)) ?? champion,
    request,
    readFor: () => request,
    receivedAt: systemClock.now(),
    priority: "normal",
    timeoutMs: 60_000,
    elapsedMs: () => 0,
  };
}

test("the version before, then the secondary model, then the rule: the first that can answers, and says so", async () => {
  const versions = new Versions();
  const [own, previous, secondary] = [await versions.load(1), await versions.load(2), await versions.load(3)];
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: own,
    previous: { model: previous, features: null },
    secondary: { model: secondary, features: null },
    fallbacks: [
      { kind: "previous_version" },
      { kind: "secondary_model" },
      { kind: "fixed", outputs: { score: 0.25 } },
    ],
  });
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  const told = async (): Promise<[string | undefined, string | undefined, number, number]> => {
    const { by, fallback, outputs } = await answerByChain(deps, asked(route, versions));
    const score = Number(outputs[0]?.data[0]);
    return [fallback?.answeredBy, fallback?.reason, by.route.model.version, Number(score.toFixed(4))];
  };
  const rounded = (bias: number) => Number(scoreOf(bias).toFixed(4));
  expect(await told()).toEqual([undefined, undefined, 1, rounded(1)]);
  await versions.end(own);
  expect(await told()).toEqual(["previous_version", "unavailable", 2, rounded(2)]);
  await versions.end(previous);
  expect(await told()).toEqual(["secondary_model", "unavailable", 3, rounded(3)]);
  await versions.end(secondary);
  expect(await told()).toEqual(["fixed", "unavailable", 1, 0.25]);
  // The fifth failure in a row was the version's own: from now on it is not even asked.
  for (let i = 0; i < 3; i++) await told();
  expect((await told())[1]).toBe("breaker_open");
});

test("a version that outcomes show to be wrong is not asked, wherever it runs; the chain answers for it and for variants that fail, and a refusal names the alert", async () => {
  const versions = new Versions();
  const [own, gpu, previous, next] = [
    await versions.load(1),
    await versions.load(9),
    await versions.load(2),
    await versions.load(3),
  ];
  const place = (hardware: "cpu" | "gpu", model: ModelReference) =>
    ({ hardware, model, evidence: "stated", latencyMicrosP95: 8000, keepsLatency: true }) as const;
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: own,
    displaced: { model: own.name, version: own.version, alert: "alr_1", since: 1 },
    previous: { model: previous, features: null },
    backends: { order: [place("gpu", gpu), place("cpu", own)], why: "cheapest", planned: "cpu" },
    variants: [{ name: "next", kind: "split", model: next, features: null, sample: 1 }],
    traffic: { seed: "s", sticky: "request", split: [{ variant: "next", weight: 50 }], rules: [] },
    fallbacks: [{ kind: "previous_version" }],
  });
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  const [chosen] = activate(route, 1, versions.ready).others.backends;
  for (const one of [asked(route, versions), { ...asked(route, versions), ...(chosen ? { chosen } : {}) }]) {
    const { by, fallback, failover } = await answerByChain(deps, one);
    expect([by.route.model.version, fallback?.reason, fallback?.answeredBy, failover]).toEqual([
      2,
      "inaccurate",
      "previous_version",
      undefined,
    ]);
    expect(fallback && inPlaceOf(by.fallbackContext, fallback.insteadOf).insteadOf?.version).toBe("1");
  }
  const tried = await answerByChain(deps, asked(route, versions, "next"));
  expect([tried.by.route.model.version, tried.fallback]).toEqual([3, undefined]);
  await versions.end(next);
  const stoodIn = await answerByChain(deps, asked(route, versions, "next"));
  expect([stoodIn.by.route.model.version, stoodIn.fallback?.reason]).toEqual([2, "unavailable"]);
  const bare = { ...route, fallbacks: [] };
  delete bare.backends;
  const alone = asked(bare, versions);
  await expect(answerByChain(deps, alone)).rejects.toMatchObject({
    code: "serving.model_displaced",
    mend: expect.stringContaining("alr_1") as string,
  });
  // Their faults would be its own: it is not asked.
  expect(deps.health.of(alone.champion).breaker.state).toBe("closed");
});

test("whichever of its places the champion was to run in, a fallback says that it stands for the champion", async () => {
  const versions = new Versions();
  const [own, gpu] = [await versions.load(1), await versions.load(9)];
  const place = (hardware: "cpu" | "gpu", model: ModelReference) =>
    ({ hardware, model, evidence: "stated", latencyMicrosP95: 8000, keepsLatency: true }) as const;
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: own,
    backends: { order: [place("gpu", gpu), place("cpu", own)], why: "cheapest", planned: "cpu" },
    fallbacks: [{ kind: "fixed", outputs: { score: 0.25 } }],
  });
  const request = asked(route, versions);
  const [chosen = request.champion] = request.champion.others.backends;
  expect(chosen.context.model?.version).toBe("9");
  for (const model of [own, gpu]) await versions.end(model);
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  const { by, fallback } = await answerByChain(deps, { ...request, chosen });
  expect(fallback && inPlaceOf(by.ruleContext, fallback.insteadOf).insteadOf?.version).toBe("1");
});

test("a variant that fails gives its requests back to the endpoint's own version", async () => {
  const versions = new Versions();
  const [own, next] = [await versions.load(1), await versions.load(2)];
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: own,
    variants: [{ name: "next", kind: "split", model: next, features: null, sample: 1 }],
  });
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  expect((await answerByChain(deps, asked(route, versions, "next"))).by.route.model.version).toBe(2);
  await versions.end(next);
  const answer = await answerByChain(deps, asked(route, versions, "next"));
  expect(answer.by.route.model.version).toBe(1);
  expect(answer.fallback).toMatchObject({ answeredBy: "champion", reason: "unavailable" });
});

test("who is turned away for want of room gets no other model, but what costs none", async () => {
  const versions = new Versions();
  const [own, previous] = [await versions.load(1), await versions.load(2)];
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: own,
    previous: { model: previous, features: null },
    fallbacks: [{ kind: "previous_version" }, { kind: "fixed", outputs: { score: 0.25 } }],
    resilience: { maxInFlight: 1, slowMs: 60_000, targetWaitMs: 60_000 },
  });
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  const { limit } = deps.health.of(asked(route, versions).champion);
  // Health is kept by version, so another request that is under way is seen by this one.
  expect(limit.acquire("high")).toBe(true);
  const answer = await answerByChain(deps, asked(route, versions));
  expect(answer.fallback).toMatchObject({ answeredBy: "fixed", reason: "overloaded" });
  limit.release(0, performance.now());
  expect((await answerByChain(deps, asked(route, versions))).fallback).toBeUndefined();
});

test("requests that find the model busy wait for company as long as their deployment says, and the first waits for nobody", async () => {
  const versions = new Versions();
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: await versions.load(1),
    batching: { maxDelayMs: 300, preferredRows: [4] },
  });
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  const together = async (count: number) => {
    const answers = Array.from({ length: count }, () => answerByChain(deps, asked(route, versions)));
    return (await Promise.all(answers)).map(({ batchRows = 1, queueMicros = 0 }) => [
      batchRows,
      queueMicros >= 250_000 ? "waited" : "went",
    ]);
  };
  const alone = [1, "went"];
  expect(await together(1)).toEqual([alone]);
  expect(await together(5), "four are a preferred size").toEqual([alone, ...Array(4).fill([4, "went"])]);
  expect(await together(3), "two are not").toEqual([alone, ...Array(2).fill([2, "waited"])]);
});

test("where every model of a chain hangs, the constant answers within the charter's time", async () => {
  const versions = new Versions();
  const [own, previous, secondary] = [await versions.load(1), await versions.load(2), await versions.load(3)];
  // Of a charter with a fallback that states no timeout: its p99.
  const timeoutMs = 400;
  const route = installation.add("score", logisticModel([0.5, -0.25], 1), {
    model: own,
    previous: { model: previous, features: null },
    secondary: { model: secondary, features: null },
    fallbacks: [
      { kind: "previous_version" },
      { kind: "secondary_model" },
      { kind: "fixed", outputs: { score: 0.25 } },
    ],
  });
  const given: number[] = [];
  for (const { digest } of [own, previous, secondary]) versions.hang({ digest }, given);
  const deps = { health: new HealthBook(), readOnline: () => async () => [] };
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const { fallback } = await answerByChain(deps, { ...asked(route, versions), timeoutMs, elapsedMs });
  const tookMs = elapsedMs();
  expect([fallback?.answeredBy, fallback?.reason]).toEqual(["fixed", "timeout"]);
  expect(tookMs).toBeLessThan(timeoutMs);
  // Each model was asked, the first for half of the time, the others for a fifth each.
  expect(given).toHaveLength(3);
  expect(given[0]).toBeGreaterThan(timeoutMs * 0.45);
  for (const part of given.slice(1)) expect(part).toBeGreaterThan(timeoutMs * 0.1);
});
