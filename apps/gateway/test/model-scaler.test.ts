import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, digestBytes, systemClock } from "@portolan/kernel";
import { createOnnxRuntime, createQuarantine } from "@portolan/onnx";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { mlpModel } from "@portolan/onnx-format/testing";
import type { Scaling } from "@portolan/serving/contract";
import { type LoadedModel, scaleTermsOf, type Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ModelScaler } from "../src/models/model-scaler.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "scaler-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A model that takes milliseconds, in threads or in processes of its own. */
async function load(origin: "trained" | "imported"): Promise<LoadedModel> {
  const bytes = mlpModel([30, 512, 512, 2]);
  const runtime = createOnnxRuntime({
    quarantine: createQuarantine(join(folder, "quarantine.json"), systemClock),
    clock: systemClock,
    inlineMicros: 1,
    loadTimeoutMs: 60_000,
    memoryBytes: 2 ** 31,
  });
  return runtime.load({
    label: "m/1",
    digest: digestBytes(bytes),
    signature: signatureOf(readOnnxModel(bytes)),
    origin,
    form: "onnx",
    loadBytes: async () => bytes,
  });
}

function scalerOf(model: LoadedModel, scaling: Scaling): ModelScaler {
  const scaled = {
    usage: () => model.usage(),
    get scale() {
      return model.scale;
    },
    terms: scaleTermsOf([scaling], 3),
  };
  return new ModelScaler({ models: () => [scaled], log: createLogger({ name: "scaler", level: "silent" }) });
}

const row: Tensor = { name: "x", datatype: "FP32", shape: [1, 30], data: new Float32Array(30) };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks without pause, sixteen at a time, until stopped; resolves to how all of it ended. */
function clientsOf(model: LoadedModel): { stop(): Promise<readonly string[]> } {
  let isOver = false;
  const kinds = new Set<string>();
  const client = async (): Promise<void> => {
    while (!isOver) kinds.add((await model.run([row], { timeoutMs: 60_000 })).kind);
  };
  const clients = Array.from({ length: 16 }, client);
  return {
    async stop() {
      isOver = true;
      await Promise.all(clients);
      return [...kinds];
    },
  };
}

test.each([
  ["threads", "trained"],
  ["runner processes", "imported"],
] as const)(
  "a model under load gets more %s and answers all the while; without load it gives them back",
  async (_, origin) => {
    const model = await load(origin);
    try {
      const scaler = scalerOf(model, { minimum: 1, maximum: 3 });
      const clients = clientsOf(model);
      // The scaler's own clock: seconds pass in it as the test says. In it the model is busy all the time.
      let nowMs = performance.now();
      scaler.step(nowMs);
      for (let i = 0; i < 400 && model.usage().lanes < 3; i++) {
        await sleep(25);
        scaler.step((nowMs = performance.now()));
      }
      expect(model.usage().lanes).toBe(3);
      expect(await clients.stop()).toEqual(["ok"]);
      for (let i = 0; i < 400 && model.usage().lanes > 1; i++) {
        scaler.step((nowMs += 20_000));
        await sleep(5);
      }
      expect(model.usage().lanes).toBe(1);
    } finally {
      await model.close();
    }
  },
);

/** Changes of direction. */
function reversals(history: readonly number[]): number {
  const steps = history.slice(1).map((value, at) => Math.sign(value - (history[at] ?? value)));
  const moves = steps.filter((step) => step !== 0);
  return moves.filter((step, at) => at > 0 && step !== moves[at - 1]).length;
}

test.each([
  ["shorter than its window settles: no reversal", { stabilisationSeconds: 60 }, 0],
  ["longer than its window: once up and once down, one reversal a period", { stabilisationSeconds: 0 }, 1],
] as const)("a square wave of load %s", async (_, window, perPeriod) => {
  const model = await load("trained");
  const periods = 3;
  const histories: number[][] = [];
  try {
    const scaler = scalerOf(model, { minimum: 1, maximum: 3, upPerStep: 1, ...window });
    /** At least ten, and then until it holds: a thread takes longer to start on a busy machine. */
    const steps = async (until: () => boolean): Promise<void> => {
      for (let i = 0; i < 10 || (i < 500 && !until()); i++) {
        await sleep(60);
        scaler.step(performance.now());
        histories.at(-1)?.push(model.usage().lanes);
      }
    };
    for (let period = 0; period < periods; period++) {
      histories.push([model.usage().lanes]);
      const clients = clientsOf(model);
      await steps(() => model.usage().lanes > 1);
      expect(await clients.stop()).toEqual(["ok"]);
      await steps(() => perPeriod === 0 || model.usage().lanes === 1);
    }
    expect(Math.max(...histories.flat())).toBeGreaterThan(1);
    for (const history of histories) expect(reversals(history)).toBeLessThanOrEqual(perPeriod);
  } finally {
    await model.close();
  }
});
