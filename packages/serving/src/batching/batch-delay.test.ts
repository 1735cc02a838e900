import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RunOutcome } from "../runtime.ts";
import { type BatchTerms, noBatching } from "./batch-plan.ts";
import { Batcher } from "./batcher.ts";
import { findBatchingProblems, longestBatchDelayMs } from "./batching-problems.ts";
import type { RunPriority } from "./job-queue.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** A model with one lane whose runs end when the test says so. */
class Model {
  readonly batches: number[] = [];
  lanes = 1;
  readonly #open: (() => void)[] = [];
  readonly batcher: Batcher;

  constructor(maxRows = 64) {
    this.batcher = new Batcher(
      (inputs) => {
        this.batches.push(inputs[0]?.shape[0] ?? 0);
        const outcome: RunOutcome = { kind: "ok", runMicros: 1, outputs: inputs };
        return new Promise((resolve) => this.#open.push(() => resolve(outcome)));
      },
      { ...noBatching, maxRows },
      () => this.lanes,
    );
  }

  send(
    terms: BatchTerms | undefined,
    over: { rows?: number; timeoutMs?: number; priority?: RunPriority } = {},
  ) {
    const { rows = 1, timeoutMs = 10_000, priority = "normal" } = over;
    const input = { name: "x", datatype: "FP32" as const, shape: [rows, 1], data: new Float32Array(rows) };
    return this.batcher.run([input], {
      timeoutMs,
      longestMs: 10_000,
      priority,
      ...(terms ? { batching: terms } : {}),
    });
  }

  /** Ends the run that began first. */
  async end(): Promise<void> {
    this.#open.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
  }
}

const patient: BatchTerms = { preferredRows: [8, 16], maxDelayMs: 20 };

/** A model that a first request keeps busy. */
function busyModel(terms: BatchTerms | undefined, maxRows = 64): Model {
  const model = new Model(maxRows);
  void model.send(terms, { timeoutMs: 10_000 });
  expect(model.batches, "in the same tick").toEqual([1]);
  return model;
}

describe("a delay that a deployment states", () => {
  test("a request that finds the model idle is run in the same tick, whatever the delay", () => {
    busyModel(patient);
    busyModel(undefined);
  });

  test("without a delay whatever waits goes the moment the model is free", async () => {
    const model = busyModel(undefined);
    for (let i = 0; i < 3; i++) void model.send(undefined);
    await model.end();
    expect(model.batches).toEqual([1, 3]);
  });

  test("those that found it busy wait for company once it is free, and no longer than the delay", async () => {
    const model = busyModel(patient);
    void model.send(patient);
    await model.end();
    await vi.advanceTimersByTimeAsync(10);
    void model.send(patient);
    await vi.advanceTimersByTimeAsync(9);
    expect(model.batches).toEqual([1]);
    await vi.advanceTimersByTimeAsync(1);
    expect(model.batches, "twenty milliseconds from the first, not from the last").toEqual([1, 2]);
  });

  test("a preferred size that is reached goes at once, and the rest waits its time", async () => {
    const model = busyModel(patient);
    for (let i = 0; i < 7; i++) void model.send(patient);
    await model.end();
    expect(model.batches).toEqual([1]);
    model.lanes = 2;
    void model.send(patient, { rows: 3 });
    expect(model.batches, "seven and three rows are eight and more").toEqual([1, 7]);
    await vi.advanceTimersByTimeAsync(20);
    expect(model.batches).toEqual([1, 7, 3]);
  });

  test("a run takes the largest preferred size that waits", async () => {
    const model = busyModel(patient);
    for (let i = 0; i < 21; i++) void model.send(patient);
    await model.end();
    expect(model.batches).toEqual([1, 16]);
    await model.end();
    await vi.advanceTimersByTimeAsync(20);
    expect(model.batches).toEqual([1, 16, 5]);
  });

  test("preferred sizes without a delay hold nobody up", async () => {
    const sizes = { preferredRows: [4], maxDelayMs: 0 };
    const model = busyModel(sizes);
    for (let i = 0; i < 6; i++) void model.send(sizes);
    await model.end();
    await model.end();
    expect(model.batches).toEqual([1, 4, 2]);
  });

  test("a size that the model's own measurements do not justify is not waited for", async () => {
    const model = busyModel(patient, 4);
    for (let i = 0; i < 4; i++) void model.send(patient);
    await model.end();
    expect(model.batches).toEqual([1, 4]);
    const single = busyModel(patient, 1);
    void single.send(patient);
    await single.end();
    expect(single.batches).toEqual([1, 1]);
  });
});

describe("deadlines, priorities and other deployments", () => {
  test("nobody waits for company for more than half of the time that the most urgent has left", async () => {
    const model = busyModel(patient);
    const urgent = model.send(patient, { timeoutMs: 10 });
    void model.send(patient);
    await model.end();
    await vi.advanceTimersByTimeAsync(4);
    expect(model.batches).toEqual([1]);
    await vi.advanceTimersByTimeAsync(1);
    expect(model.batches).toEqual([1, 2]);
    await model.end();
    expect((await urgent).kind).toBe("ok");
  });

  test("an urgent one that comes while others wait shortens the wait", async () => {
    const model = busyModel(patient);
    void model.send(patient);
    await model.end();
    await vi.advanceTimersByTimeAsync(2);
    void model.send(patient, { timeoutMs: 6 });
    await vi.advanceTimersByTimeAsync(3);
    expect(model.batches).toEqual([1, 2]);
  });

  test("high priority waits for nobody, low priority waits like all others", async () => {
    const model = busyModel(patient);
    void model.send(patient, { priority: "low" });
    await model.end();
    await vi.advanceTimersByTimeAsync(5);
    expect(model.batches).toEqual([1]);
    void model.send(patient, { priority: "high" });
    expect(model.batches).toEqual([1, 2]);
  });

  test("a deployment that waits holds up none that shares the model and does not", async () => {
    const model = busyModel(patient);
    void model.send(patient);
    await model.end();
    void model.send(undefined);
    expect(model.batches).toEqual([1, 2]);
  });

  test("an impatient caller that finds the model idle is run at once all the same", () => {
    const model = new Model();
    void model.send(patient, { timeoutMs: 50 });
    expect(model.batches).toEqual([1]);
  });
});

describe("what a charter leaves room for", () => {
  const model = { name: "churn", version: 2, upstream: undefined } as unknown as Parameters<
    typeof findBatchingProblems
  >[1];

  test("a quarter of the p95 is the longest delay", () => {
    expect(longestBatchDelayMs(50)).toBe(12);
    expect(findBatchingProblems({ maxDelayMs: 12, preferredRows: [8, 16] }, model, 50)).toEqual([]);
    expect(findBatchingProblems({ maxDelayMs: 13, preferredRows: [] }, model, 50)).toEqual([
      "a delay of 13 ms is more than a quarter of the charter's p95 of 50 ms, which is 12 ms",
    ]);
    expect(findBatchingProblems({ maxDelayMs: 1000, preferredRows: [] }, model, undefined)).toEqual([]);
  });

  test("sizes that do not ascend and models that others run are refused", () => {
    expect(findBatchingProblems({ maxDelayMs: 0, preferredRows: [8, 8] }, model, 50)[0]).toContain("ascend");
    const upstream = { protocol: "open-inference", region: "eu", owner: "self", environments: [] } as const;
    const elsewhere = { ...model, upstream: { ...upstream, environments: [] } };
    expect(findBatchingProblems({ maxDelayMs: 1, preferredRows: [] }, elsewhere, 50)[0]).toContain(
      "batches by itself",
    );
  });
});
