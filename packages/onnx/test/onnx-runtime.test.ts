import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestBytes } from "@portolan/kernel";
import { identityModel, logisticModel, loopModel, onnxType } from "@portolan/onnx-format/testing";
import type { LoadedModel, ModelRuntime, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOnnxRuntime } from "../src/index.ts";
import { InlineEngine } from "../src/inline-engine.ts";
import { OnnxModel } from "../src/onnx-model.ts";
import { RunnerEngine } from "../src/runner-engine.ts";
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

const quarantineFile = () => join(folder, "quarantine.json");

function runtimeOf(memoryBytes?: number): ModelRuntime {
  return createOnnxRuntime(optionsWith(quarantineFile(), memoryBytes));
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
      const engine = await InlineEngine.start(verified(bytes, "trained"), async () => undefined);
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

  test("an answer that is late because this thread did something else is no fault of the model", async () => {
    let moves = 0;
    const engine = await InlineEngine.start(
      verified(logisticModel([0.5, -0.25], 0.1), "trained"),
      async () => void moves++,
    );
    for (let round = 0; round < 5; round++) {
      const run = engine.run([row], 50);
      const startMs = performance.now();
      while (performance.now() < startMs + 80);
      const outcome = await run;
      expect(outcome).toMatchObject({ kind: "timeout" });
      expect(outcome.kind === "timeout" && outcome.ranMs).toBeLessThan(50);
    }
    expect(moves).toBe(0);
    await engine.close();
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

  test("what waits behind the run that costs a runner its life is not blamed for it", async () => {
    const engine = await RunnerEngine.start(
      verified(loopModel(20_000n), "imported"),
      optionsWith(quarantineFile()),
    );
    const [late, behind] = await Promise.all([engine.run([one], 2), engine.run([one], 60_000)]);
    expect(late.kind).toBe("timeout");
    expect(behind).toMatchObject({ kind: "crashed", byModel: false });
    await engine.close();
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
