import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestBytes, systemClock } from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { identityModel, logisticModel, loopModel, mlpModel, onnxType } from "@portolan/onnx-format/testing";
import type { LoadedModel, ModelRuntime, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOnnxRuntime, createQuarantine, type OnnxRuntimeOptions } from "../src/index.ts";
import { InlineEngine } from "../src/inline-engine.ts";
import { OnnxModel } from "../src/onnx-model.ts";
import { WorkerEngine } from "../src/worker-engine.ts";

let folder = "";
const open: LoadedModel[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "onnx-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((model) => model.close()));
  rmSync(folder, { recursive: true });
});

function verified(bytes: Uint8Array, origin: VerifiedModel["origin"]): VerifiedModel {
  return {
    label: "m/1",
    digest: digestBytes(bytes),
    signature: signatureOf(readOnnxModel(bytes)),
    origin,
    form: "onnx",
    loadBytes: async () => bytes,
  };
}

const quarantineFile = () => join(folder, "quarantine.json");

function optionsOf(memoryBytes = 2 ** 31): OnnxRuntimeOptions {
  return {
    quarantine: createQuarantine(quarantineFile(), systemClock),
    clock: systemClock,
    inlineMicros: 1000,
    loadTimeoutMs: 60_000,
    memoryBytes,
  };
}

function runtimeOf(memoryBytes?: number): ModelRuntime {
  return createOnnxRuntime(optionsOf(memoryBytes));
}

async function load(
  bytes: Uint8Array,
  origin: VerifiedModel["origin"],
  runtime = runtimeOf(),
): Promise<LoadedModel> {
  const model = await runtime.load(verified(bytes, origin));
  open.push(model);
  return model;
}

function tier(model: LoadedModel): string {
  const state = model.state();
  return state.kind === "ready" ? state.tier : state.kind;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 4000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(condition()).toBe(true);
}

/** Processes that this one started for models. */
function runners(): string[] {
  try {
    return execFileSync("pgrep", ["-P", String(process.pid), "-f", "runner-main"])
      .toString()
      .trim()
      .split("\n");
  } catch {
    return []; // pgrep ends with 1 when it finds none
  }
}

const row: Tensor = { name: "x", datatype: "FP32", shape: [1, 2], data: Float32Array.of(1, 2) };
const one: Tensor = { name: "x", datatype: "FP32", shape: [1], data: Float32Array.of(1) };

describe("tiers", () => {
  test("a fast trained model runs inline, the same model imported stays in a runner, both answer alike", async () => {
    const bytes = logisticModel([0.5, -0.25], 0.1);
    const trained = await load(bytes, "trained");
    const imported = await load(bytes, "imported");
    expect([tier(trained), tier(imported)]).toEqual(["inline", "runner"]);
    for (const model of [trained, imported]) {
      const outcome = await model.run([row], { timeoutMs: 20_000 });
      expect(outcome.kind).toBe("ok");
      if (outcome.kind === "ok") expect(outcome.outputs[0]?.data[0]).toBeCloseTo(1 / (1 + Math.exp(-0.1)), 6);
    }
  });

  test("INT64, strings and FP16 pass through a runner bit by bit", async () => {
    const int64 = await load(identityModel(onnxType.int64, [null]), "imported");
    const big = BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n));
    const numbers = await int64.run([{ name: "in", datatype: "INT64", shape: [2], data: big }], {
      timeoutMs: 20_000,
    });
    expect(numbers.kind === "ok" && numbers.outputs[0]?.data).toEqual(big);
    const text = await load(identityModel(onnxType.string, [null]), "imported");
    const words = await text.run([{ name: "in", datatype: "BYTES", shape: [2], data: ["ß", ""] }], {
      timeoutMs: 20_000,
    });
    expect(words.kind === "ok" && words.outputs[0]?.data).toEqual(["ß", ""]);
    const half = await load(identityModel(onnxType.float16, [null]), "imported");
    const bits = await half.run(
      [{ name: "in", datatype: "FP16", shape: [1], data: Uint16Array.of(0x3c01) }],
      {
        timeoutMs: 1000,
      },
    );
    expect(bits.kind === "ok" && bits.outputs[0]?.data).toEqual(Uint16Array.of(0x3c01));
  });
});

describe("worker threads", () => {
  /** Too slow for the gateway's own thread on any machine. */
  const slow = () => mlpModel([30, 1024, 1024, 1024, 2]);
  const batch = (count: number): Tensor => ({
    name: "x",
    datatype: "FP32",
    shape: [count, 30],
    data: Float32Array.from({ length: count * 30 }, (_, i) => Math.sin(i)),
  });

  test("a slow trained model gets a thread, and requests that wait for it share runs with the same answers", async () => {
    const runtime = createOnnxRuntime({ ...optionsOf(), inlineMicros: 1 });
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
    const runtime = createOnnxRuntime({ ...optionsOf(), inlineMicros: 1 });
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
    const runtime = createOnnxRuntime({ ...optionsOf(), inlineMicros: 1 });
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
    const engine = await WorkerEngine.start(verified(slow(), "trained"), () => late.push(performance.now()));
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
    const engine = await WorkerEngine.start(verified(slow(), "trained"), () => late.push("late"));
    const work = batch(800);
    const measured = await engine.run([work], 60_000);
    const runMs = measured.kind === "ok" ? measured.runMicros / 1000 : 0;
    expect((await engine.run([work], 1)).kind).toBe("timeout");
    // Each waits for the one before for most of its time, and is late itself: three in a row, of which the first alone had its time.
    for (let behind = 1; behind <= 2; behind++)
      expect((await engine.run([work], runMs * 1.2)).kind).toMatch(/^(timeout|unavailable)$/);
    expect((await engine.run([batch(1)], 60_000)).kind).toBe("ok");
    expect(late).toEqual([]);
    await engine.close();
  });

  test("an answer that came while this thread was busy is in time", async () => {
    const late: string[] = [];
    const engine = await WorkerEngine.start(verified(loopModel(2000n), "trained"), () => late.push("late"));
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
    const engine = await WorkerEngine.start(verified(slow(), "trained"), () => undefined);
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
});

describe("closing", () => {
  test.each(["trained", "imported"] as const)(
    "a %s model that is closed answers what it took, and takes nothing more",
    async (origin) => {
      const model = await load(logisticModel([0.5, -0.25], 0.1), origin);
      const inFlight = Array.from({ length: 5 }, () => model.run([row], { timeoutMs: 60_000 }));
      const closed = model.close();
      expect(model.state().kind).toBe("closed");
      expect((await model.run([row], { timeoutMs: 60_000 })).kind).toBe("unavailable");
      expect((await Promise.all(inFlight)).map(({ kind }) => kind)).toEqual(
        Array.from({ length: 5 }, () => "ok"),
      );
      await closed;
    },
  );

  test("a late model that is closed while its runner starts leaves no process behind", async () => {
    const bytes = logisticModel([0.5, -0.25], 0.1);
    const model = await load(bytes, "trained");
    await until(() => runners().length === 0);
    for (let late = 1; late <= 3; late++)
      expect((await model.run([row], { timeoutMs: 0 })).kind).toBe("timeout");
    await model.close();
    expect(runners()).toEqual([]);
  });

  test("fifty swaps under load fail no request: who finds a model closed goes to the next one", async () => {
    const bytes = logisticModel([0.5, -0.25], 0.1);
    const runtime = runtimeOf();
    let current = await load(bytes, "trained", runtime);
    let isOver = false;
    const outcomes = new Map<string, number>();
    const client = async (): Promise<void> => {
      while (!isOver) {
        const model = current;
        const { kind } = await model.run([row], { timeoutMs: 60_000 });
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let swap = 0; swap < 50; swap++) {
      const engine = await InlineEngine.start(verified(bytes, "trained"), () => undefined);
      const next = new OnnxModel(engine, () => Promise.resolve(engine));
      const before = current;
      current = next;
      await before.close();
      open.push(next);
    }
    isOver = true;
    await Promise.all(clients);
    expect([...outcomes.keys()]).toEqual(["ok"]);
  });
});

describe("faults stay in the runner", () => {
  test("deadlines restart the runner, a third in a row pauses the model for a while, and nothing of it stays", async () => {
    const runtime = runtimeOf();
    const model = await load(loopModel(20_000n), "imported", runtime);
    const warm = model.state();
    expect(warm.kind === "ready" ? warm.warmUpMicros / 1000 : 0).toBeGreaterThan(4);
    for (let late = 1; late <= 2; late++) {
      expect((await model.run([one], { timeoutMs: 2 })).kind).toBe("timeout");
      await until(() => tier(model) === "runner");
    }
    // One answer in time, and what came before does not count.
    expect((await model.run([one], { timeoutMs: 60_000 })).kind).toBe("ok");
    for (let late = 1; late <= 3; late++) {
      await until(() => tier(model) === "runner");
      expect((await model.run([one], { timeoutMs: 2 })).kind).toBe("timeout");
    }
    await until(() => model.state().kind === "quarantined");
    const during = await model.run([one], { timeoutMs: 60_000 });
    expect(during.kind === "unavailable" && during.detail).toContain("3 times in a row");
    // A deployment meanwhile is taken, and waits like the one before it.
    const again = await load(loopModel(20_000n), "imported", runtime);
    await until(() => tier(model) === "runner" && tier(again) === "runner");
    expect((await model.run([one], { timeoutMs: 60_000 })).kind).toBe("ok");
    expect((await again.run([one], { timeoutMs: 60_000 })).kind).toBe("ok");
    expect(existsSync(quarantineFile())).toBe(false);
  });

  test("a model that breaks its memory bound twice is quarantined, over restarts, until an operator lifts it", async () => {
    const model = await load(identityModel(onnxType.float, [null]), "imported", runtimeOf(300 * 2 ** 20));
    const elements = 48 * 2 ** 20;
    const huge: Tensor = {
      name: "in",
      datatype: "FP32",
      shape: [elements],
      data: new Float32Array(elements),
    };
    for (let crash = 1; crash <= 2; crash++) {
      await until(() => tier(model) === "runner");
      const outcome = await model.run([huge], { timeoutMs: 60_000 });
      expect(outcome).toMatchObject({ kind: "crashed", detail: expect.stringContaining("memory") as string });
    }
    await until(() => model.state().kind === "quarantined");
    const digest = digestBytes(identityModel(onnxType.float, [null]));
    expect(JSON.parse(readFileSync(quarantineFile(), "utf8"))).toEqual({ [digest]: 2 });
    await expect(load(identityModel(onnxType.float, [null]), "imported")).rejects.toMatchObject({
      code: "onnx.quarantined",
    });
    writeFileSync(quarantineFile(), "{}");
    await until(() => tier(model) === "runner");
    const small = { ...huge, shape: [1], data: Float32Array.of(7) };
    expect((await model.run([small], { timeoutMs: 60_000 })).kind).toBe("ok");
  });

  test("a runner that is killed from outside is started again, and what it was working on is run once more", async () => {
    const model = await load(loopModel(20_000n), "imported");
    // More often than a model may crash: whoever kills a runner from outside does not count against it.
    for (let kill = 1; kill <= 2; kill++) {
      const running = model.run([one], { timeoutMs: 60_000 });
      const waiting = model.run([one], { timeoutMs: 60_000 });
      const impatient = model.run([one], { timeoutMs: 50 });
      process.kill(Number(runners().at(-1)), "SIGKILL");
      expect((await impatient).kind).toMatch(/^(crashed|timeout)$/);
      expect([(await running).kind, (await waiting).kind]).toEqual(["ok", "ok"]);
      await until(() => model.state().kind === "ready");
    }
    expect((await model.run([one], { timeoutMs: 60_000 })).kind).toBe("ok");
  });

  test("time spent waiting is never held against the model: late callers time out, nothing is killed", async () => {
    const model = await load(loopModel(10_000n), "imported");
    const warm = model.state();
    const needed = warm.kind === "ready" ? warm.warmUpMicros / 1000 : 0;
    // One run fits well, all of them never do, also where the machine gets twenty times slower or faster meanwhile.
    const outcomes = await Promise.all(
      Array.from({ length: 400 }, () => model.run([one], { timeoutMs: needed * 20 })),
    );
    const kinds = new Set(outcomes.map((outcome) => outcome.kind));
    expect(kinds).toEqual(new Set(["ok", "timeout"]));
    expect(tier(model)).toBe("runner");
    expect((await model.run([one], { timeoutMs: 60_000 })).kind).toBe("ok");
  });

  test("a model that outgrows its memory bound is refused while loading", async () => {
    await expect(load(logisticModel([1, 2], 0), "imported", runtimeOf(10_000_000))).rejects.toMatchObject({
      code: "onnx.load_failed",
    });
  });

  test("wrong dimensions are the request's fault, and the runner lives on", async () => {
    const model = await load(logisticModel([0.5, -0.25], 0.1), "imported");
    const wrong = { ...row, shape: [1, 3], data: Float32Array.of(1, 2, 3) };
    expect((await model.run([wrong], { timeoutMs: 20_000 })).kind).toBe("failed");
    expect((await model.run([row], { timeoutMs: 20_000 })).kind).toBe("ok");
  });

  test("bytes that are not a model are refused with the reason", async () => {
    const bytes = logisticModel([1, 2], 0);
    const cut = { ...verified(bytes, "imported"), loadBytes: async () => bytes.subarray(0, 40) };
    await expect(runtimeOf().load(cut)).rejects.toMatchObject({ code: "onnx.load_failed" });
  });
});
