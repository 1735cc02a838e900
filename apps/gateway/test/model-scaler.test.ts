import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, digestBytes, systemClock } from "@portolan/kernel";
import { createOnnxRuntime, createQuarantine } from "@portolan/onnx";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { mlpModel } from "@portolan/onnx-format/testing";
import type { Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ModelScaler } from "../src/models/model-scaler.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "scaler-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a model under load gets more workers and answers all the while; without load it gives them back", async () => {
  const bytes = mlpModel([30, 512, 512, 2]);
  const runtime = createOnnxRuntime({
    quarantine: createQuarantine(join(folder, "quarantine.json"), systemClock),
    clock: systemClock,
    inlineMicros: 1,
    loadTimeoutMs: 60_000,
    memoryBytes: 2 ** 31,
  });
  const model = await runtime.load({
    label: "m/1",
    digest: digestBytes(bytes),
    signature: signatureOf(readOnnxModel(bytes)),
    origin: "trained",
    form: "onnx",
    loadBytes: async () => bytes,
  });
  try {
    const scaler = new ModelScaler({
      models: () => [model],
      maximum: 3,
      log: createLogger({ name: "scaler", level: "silent" }),
    });
    const row: Tensor = { name: "x", datatype: "FP32", shape: [1, 30], data: new Float32Array(30) };
    let isOver = false;
    const kinds = new Set<string>();
    const client = async (): Promise<void> => {
      while (!isOver) kinds.add((await model.run([row], { timeoutMs: 60_000 })).kind);
    };
    const clients = Array.from({ length: 16 }, client);
    // The scaler's own clock: seconds pass in it as the test says. In it the model is busy all the time.
    let nowMs = performance.now();
    scaler.step(nowMs);
    for (let i = 0; i < 400 && model.usage().lanes < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      scaler.step((nowMs = performance.now()));
    }
    expect(model.usage().lanes).toBe(3);
    isOver = true;
    await Promise.all(clients);
    expect([...kinds]).toEqual(["ok"]);
    for (let i = 0; i < 400 && model.usage().lanes > 1; i++) {
      scaler.step((nowMs += 20_000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(model.usage().lanes).toBe(1);
  } finally {
    await model.close();
  }
});
