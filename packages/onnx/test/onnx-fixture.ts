import { digestBytes, systemClock } from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import type { LoadedModel, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { expect } from "vitest";
import { createQuarantine, type OnnxRuntimeOptions } from "../src/index.ts";

export function verified(bytes: Uint8Array, origin: VerifiedModel["origin"]): VerifiedModel {
  return {
    label: "m/1",
    digest: digestBytes(bytes),
    signature: signatureOf(readOnnxModel(bytes)),
    origin,
    form: "onnx",
    loadBytes: async () => bytes,
  };
}

export function optionsWith(quarantineFile: string, memoryBytes = 2 ** 31): OnnxRuntimeOptions {
  return {
    quarantine: createQuarantine(quarantineFile, systemClock),
    clock: systemClock,
    inlineMicros: 1000,
    loadTimeoutMs: 60_000,
    memoryBytes,
  };
}

export function tier(model: LoadedModel): string {
  const state = model.state();
  return state.kind === "ready" ? state.tier : state.kind;
}

export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 4000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(condition()).toBe(true);
}

/** The input of a model of one number. */
export const one: Tensor = { name: "x", datatype: "FP32", shape: [1], data: Float32Array.of(1) };
