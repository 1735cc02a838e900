import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import {
  graph,
  intsAttribute,
  loopModel,
  mlpModel,
  model,
  node,
  onnxType,
  textsAttribute,
  valueInfo,
  type WireWriter,
} from "@portolan/onnx-format/testing";
import type { LoadedModel, Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createOnnxRuntime } from "../src/index.ts";
import { OnnxModel } from "../src/onnx-model.ts";
import { WorkerEngine } from "../src/worker-engine.ts";
import { one, optionsWith, tier, until, verified } from "./onnx-fixture.ts";

let folder = "";
const open: LoadedModel[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "onnx-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((model) => model.close()));
  rmSync(folder, { recursive: true });
});

/** Too slow for the gateway's own thread on any machine. */
const slow = () => mlpModel([30, 1024, 1024, 1024, 2]);
const batch = (count: number): Tensor => ({
  name: "x",
  datatype: "FP32",
  shape: [count, 30],
  data: Float32Array.from({ length: count * 30 }, (_, i) => Math.sin(i)),
});

test("a slow trained model gets a thread, and requests that wait for it share runs with the same answers", async () => {
  const runtime = createOnnxRuntime({ ...optionsWith(join(folder, "quarantine.json")), inlineMicros: 1 });
  // What is measured while something else computes may say that sharing brings nothing; then it is measured again.
  for (let measured = 1; !(await sharesRuns(runtime)); measured++) expect(measured).toBeLessThan(5);
});

/** Whether any of eight requests shared a run; all have the answers of one request with their rows. */
async function sharesRuns(runtime: ReturnType<typeof createOnnxRuntime>): Promise<boolean> {
  const model = await runtime.load(verified(slow(), "trained"));
  open.push(model);
  expect(tier(model)).toBe("worker");
  const alone = await model.run([batch(8)], { timeoutMs: 60_000 });
  const input = batch(8);
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, at) => {
      const data = (input.data as Float32Array).subarray(at * 30, (at + 1) * 30);
      return model.run([{ ...input, shape: [1, 30], data }], { timeoutMs: 60_000 });
    }),
  );
  const together = outcomes.flatMap((outcome) =>
    outcome.kind === "ok" ? [...(outcome.outputs[0]?.data ?? [])] : [],
  );
  const expected = alone.kind === "ok" ? [...(alone.outputs[0]?.data ?? [])] : [];
  expect(together).toHaveLength(16);
  together.forEach((value, at) => expect(value).toBeCloseTo(Number(expected[at]), 4));
  return outcomes.some((outcome) => outcome.kind === "ok" && (outcome.batchRows ?? 1) > 1);
}

test("the gateway's own thread stays free while a worker computes", async () => {
  const runtime = createOnnxRuntime({ ...optionsWith(join(folder, "quarantine.json")), inlineMicros: 1 });
  const model = await runtime.load(verified(loopModel(50_000n), "trained"));
  open.push(model);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const outcome = await model.run([one], { timeoutMs: 60_000 });
  clearInterval(timer);
  expect(outcome.kind).toBe("ok");
  expect(ticks).toBeGreaterThan(10);
});

test("late runs are answered at their deadline; the third in a row moves the model to a runner, fewer do not", async () => {
  const runtime = createOnnxRuntime({ ...optionsWith(join(folder, "quarantine.json")), inlineMicros: 1 });
  const model = await runtime.load(verified(loopModel(50_000n), "trained"));
  open.push(model);
  const late = async () => expect((await model.run([one], { timeoutMs: 5 })).kind).toBe("timeout");
  const inTime = async () => expect((await model.run([one], { timeoutMs: 60_000 })).kind).toBe("ok");
  // Whoever comes next waits for the late run's end.
  for (let row = 1; row <= 2; row++) {
    await late();
    await inTime();
    await late();
    await inTime();
  }
  expect(tier(model)).toBe("worker");
  for (let run = 1; run <= 3; run++) {
    await late();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  await until(() => tier(model) === "runner");
  await inTime();
});

test("one run that does not end moves the model to a runner", async () => {
  const late: number[] = [];
  const engine = await WorkerEngine.start(
    verified(slow(), "trained"),
    async () => void late.push(performance.now()),
  );
  const startMs = performance.now();
  // Some seconds, which is for ever beside a millisecond.
  expect((await engine.run([batch(40_000)], 1)).kind).toBe("timeout");
  expect(late).toEqual([]);
  await until(() => late.length > 0);
  expect((late[0] ?? 0) - startMs).toBeGreaterThan(1000);
  await engine.close();
});

test("who comes behind a late run and has no time left is late by no fault of the model", async () => {
  const late: string[] = [];
  const engine = await WorkerEngine.start(verified(slow(), "trained"), async () => void late.push("late"));
  const work = batch(800);
  let runMs = Number.POSITIVE_INFINITY;
  for (let measured = 0; measured < 4; measured++) {
    const outcome = await engine.run([work], 60_000);
    if (outcome.kind === "ok") runMs = Math.min(runMs, outcome.runMicros / 1000);
  }
  expect((await engine.run([work], 1)).kind).toBe("timeout");
  // Each waits for the one before for most of its time, and is late itself: three in a row, of which the first alone had its time.
  for (let behind = 1; behind <= 2; behind++) await engine.run([work], runMs * 1.2);
  expect((await engine.run([batch(1)], 60_000)).kind).toBe("ok");
  expect(late).toEqual([]);
  await engine.close();
});

test("an answer that came while this thread was busy is in time", async () => {
  const late: string[] = [];
  const engine = await WorkerEngine.start(
    verified(loopModel(2000n), "trained"),
    async () => void late.push("late"),
  );
  for (let busy = 1; busy <= 2; busy++) {
    const outcome = engine.run([one], 300);
    await new Promise((resolve) => setImmediate(resolve));
    // Nobody reads what comes meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    expect((await outcome).kind).toBe("ok");
  }
  expect(late).toEqual([]);
  await engine.close();
});

test("threads are added and ended while requests run, and none fails", async () => {
  const engine = await WorkerEngine.start(verified(slow(), "trained"), async () => undefined);
  const model = new OnnxModel(engine, () => Promise.resolve(engine));
  open.push(model);
  let isOver = false;
  const kinds = new Set<string>();
  const client = async (): Promise<void> => {
    while (!isOver) kinds.add((await model.run([batch(1)], { timeoutMs: 60_000 })).kind);
  };
  const clients = Array.from({ length: 6 }, client);
  for (const lanes of [2, 1, 3, 1]) await model.scale?.(lanes);
  isOver = true;
  await Promise.all(clients);
  expect([...kinds]).toEqual(["ok"]);
  expect(engine.lanes()).toBe(1);
});

/** The threads that come into being until that is done. */
async function threadsOf(starting: Promise<unknown>): Promise<readonly Worker[]> {
  const threads: Worker[] = [];
  const note = (worker: Worker): void => void threads.push(worker);
  process.on("worker", note);
  await starting;
  process.off("worker", note);
  return threads;
}

test("a thread that dies takes none of the requests along that it has not begun: they are answered by the runner that follows", async () => {
  const runtime = createOnnxRuntime({ ...optionsWith(join(folder, "quarantine.json")), inlineMicros: 1 });
  const loading = runtime.load(verified(slow(), "trained"));
  const [thread] = await threadsOf(loading);
  const model = await loading;
  open.push(model);
  const expected = await model.run([batch(1)], { timeoutMs: 60_000 });
  // From this call on the thread begins nothing more.
  void thread?.terminate();
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => model.run([batch(1)], { timeoutMs: 60_000 })),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => "ok"));
  expect(outcomes[0]?.kind === "ok" && outcomes[0].outputs[0]?.data[0]).toBeCloseTo(
    Number(expected.kind === "ok" && expected.outputs[0]?.data[0]),
    4,
  );
  expect(tier(model)).toBe("runner");
});

/** One number for each text, or one text for each number. */
const encoder = (from: readonly [number, ...WireWriter[]], to: readonly [number, ...WireWriter[]]) => {
  const [given, ...keys] = from;
  const [made, ...values] = to;
  return model(
    graph({
      nodes: [
        node({
          op: "LabelEncoder",
          domain: "ai.onnx.ml",
          inputs: ["in"],
          outputs: ["out"],
          attributes: [...keys, ...values],
        }),
      ],
      inputs: [valueInfo("in", given, [null])],
      outputs: [valueInfo("out", made, [null])],
    }),
    {},
    { "ai.onnx.ml": 2 },
  );
};

test("a request whose own text kills the thread is not tried again; those after it are answered", async () => {
  const runtime = createOnnxRuntime({ ...optionsWith(join(folder, "quarantine.json")), inlineMicros: 0 });
  const lengths = encoder(
    [onnxType.string, textsAttribute("keys_strings", ["ß"])],
    [onnxType.int64, intsAttribute("values_int64s", [7])],
  );
  const reader = await runtime.load(verified(lengths, "trained"));
  open.push(reader);
  expect(tier(reader)).toBe("worker");
  const ask = (data: readonly string[]) =>
    reader.run([{ name: "in", datatype: "BYTES", shape: [data.length], data: [...data] }], {
      timeoutMs: 60_000,
    });
  const mebibyte = "x".repeat(2 ** 20);
  expect(await ask(Array.from({ length: 400 }, () => mebibyte))).toMatchObject({
    kind: "crashed",
    byModel: true,
  });
  expect(await ask(["ß"])).toMatchObject({ kind: "ok", outputs: [{ data: BigInt64Array.of(7n) }] });
  expect(tier(reader)).toBe("runner");
  expect(existsSync(join(folder, "quarantine.json"))).toBe(false);
});

test("a trained model that makes text stays in its runner, whose end is not this process's", async () => {
  const words = encoder(
    [onnxType.int64, intsAttribute("keys_int64s", [1, 2])],
    [onnxType.string, textsAttribute("values_strings", ["no", "x".repeat(2 ** 20)])],
  );
  const runtime = createOnnxRuntime(optionsWith(join(folder, "quarantine.json")));
  const writer = await runtime.load(verified(words, "trained"));
  open.push(writer);
  expect(tier(writer)).toBe("runner");
  const ask = (data: BigInt64Array) =>
    writer.run([{ name: "in", datatype: "INT64", shape: [data.length], data }], { timeoutMs: 60_000 });
  expect(await ask(new BigInt64Array(600).fill(2n))).toMatchObject({ kind: "crashed", byModel: true });
  await until(() => tier(writer) === "runner");
  expect(await ask(BigInt64Array.of(1n))).toMatchObject({ kind: "ok", outputs: [{ data: ["no"] }] });
});
