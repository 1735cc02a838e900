import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestBytes } from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { identityModel, logisticModel, loopModel, onnxType } from "@portolan/onnx-format/testing";
import type { LoadedModel, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOnnxRuntime, createQuarantine } from "../src/index.ts";

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
    loadBytes: async () => bytes,
  };
}

async function load(
  bytes: Uint8Array,
  origin: VerifiedModel["origin"],
  memoryBytes = 2 ** 31,
): Promise<LoadedModel> {
  const runtime = createOnnxRuntime({
    quarantine: createQuarantine(join(folder, "quarantine.json")),
    inlineMicros: 1000,
    loadTimeoutMs: 60_000,
    memoryBytes,
  });
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
      const outcome = await model.run([row], 20_000);
      expect(outcome.kind).toBe("ok");
      if (outcome.kind === "ok") expect(outcome.outputs[0]?.data[0]).toBeCloseTo(1 / (1 + Math.exp(-0.1)), 6);
    }
  });

  test("INT64, strings and FP16 pass through a runner bit by bit", async () => {
    const int64 = await load(identityModel(onnxType.int64, [null]), "imported");
    const big = BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n));
    const numbers = await int64.run([{ name: "in", datatype: "INT64", shape: [2], data: big }], 20_000);
    expect(numbers.kind === "ok" && numbers.outputs[0]?.data).toEqual(big);
    const text = await load(identityModel(onnxType.string, [null]), "imported");
    const words = await text.run([{ name: "in", datatype: "BYTES", shape: [2], data: ["ß", ""] }], 20_000);
    expect(words.kind === "ok" && words.outputs[0]?.data).toEqual(["ß", ""]);
    const half = await load(identityModel(onnxType.float16, [null]), "imported");
    const bits = await half.run(
      [{ name: "in", datatype: "FP16", shape: [1], data: Uint16Array.of(0x3c01) }],
      1000,
    );
    expect(bits.kind === "ok" && bits.outputs[0]?.data).toEqual(Uint16Array.of(0x3c01));
  });
});

describe("faults stay in the runner", () => {
  test("an endless inference is answered at its deadline, and the second one quarantines the model", async () => {
    const model = await load(loopModel(150_000n), "imported");
    const warm = model.state();
    const needed = warm.kind === "ready" ? warm.warmUpMicros / 1000 : 0;
    expect(needed).toBeGreaterThan(4);
    expect((await model.run([one], 2)).kind).toBe("timeout");
    await until(() => tier(model) === "runner" && model.state().kind === "ready");
    expect((await model.run([one], 60_000)).kind).toBe("ok");
    expect((await model.run([one], 2)).kind).toBe("timeout");
    await until(() => model.state().kind === "quarantined");
    expect(model.state().kind).toBe("quarantined");
    expect((await model.run([one], 20_000)).kind).toBe("unavailable");
    await expect(load(loopModel(150_000n), "imported")).rejects.toMatchObject({ code: "onnx.quarantined" });
  });

  test("a runner that is killed is started again, and what it was working on is answered as crashed", async () => {
    const model = await load(loopModel(150_000n), "imported");
    const running = model.run([one], 60_000);
    const waiting = model.run([one], 60_000);
    const pids = execFileSync("pgrep", ["-P", String(process.pid), "-f", "runner-main"])
      .toString()
      .trim()
      .split("\n");
    process.kill(Number(pids.at(-1)), "SIGKILL");
    expect([(await running).kind, (await waiting).kind]).toEqual(["crashed", "crashed"]);
    await until(() => model.state().kind === "ready");
    expect((await model.run([one], 60_000)).kind).toBe("ok");
  });

  test("time spent waiting is never held against the model: late callers time out, nothing is killed", async () => {
    const model = await load(loopModel(30_000n), "imported");
    const warm = model.state();
    const needed = warm.kind === "ready" ? warm.warmUpMicros / 1000 : 0;
    // One run fits well, all of them never do, also where the machine gets twenty times slower or faster meanwhile.
    const outcomes = await Promise.all(Array.from({ length: 400 }, () => model.run([one], needed * 20)));
    const kinds = new Set(outcomes.map((outcome) => outcome.kind));
    expect(kinds).toEqual(new Set(["ok", "timeout"]));
    expect(tier(model)).toBe("runner");
    expect((await model.run([one], 60_000)).kind).toBe("ok");
  });

  test("a model that outgrows its memory bound is refused while loading", async () => {
    await expect(load(logisticModel([1, 2], 0), "imported", 10_000_000)).rejects.toMatchObject({
      code: "onnx.load_failed",
    });
  });

  test("wrong dimensions are the request's fault, and the runner lives on", async () => {
    const model = await load(logisticModel([0.5, -0.25], 0.1), "imported");
    const wrong = { ...row, shape: [1, 3], data: Float32Array.of(1, 2, 3) };
    expect((await model.run([wrong], 20_000)).kind).toBe("failed");
    expect((await model.run([row], 20_000)).kind).toBe("ok");
  });

  test("bytes that are not a model are refused with the reason", async () => {
    const bytes = logisticModel([1, 2], 0);
    const cut = { ...verified(bytes, "imported"), loadBytes: async () => bytes.subarray(0, 40) };
    const runtime = createOnnxRuntime({
      quarantine: createQuarantine(join(folder, "quarantine.json")),
      inlineMicros: 1000,
      loadTimeoutMs: 60_000,
      memoryBytes: 2 ** 31,
    });
    await expect(runtime.load(cut)).rejects.toMatchObject({ code: "onnx.load_failed" });
  });
});
