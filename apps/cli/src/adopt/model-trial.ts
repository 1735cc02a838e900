import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadedProbe, ModelTrial, ProbeInput } from "@portolan/adoption";
import { PortolanError, systemClock } from "@portolan/kernel";
import { createOnnxRuntime, createQuarantine, defaultInlineMicros } from "@portolan/onnx";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import type { LoadedModel, Tensor } from "@portolan/serving/policy";

const runTimeoutMs = 30_000;

/** Loads models in a runner, as a gateway does with those that it was given from outside. */
export function modelTrial(): ModelTrial {
  return {
    async try({ bytes, digest }, use) {
      const signature = signatureOf(readOnnxModel(bytes));
      const folder = await mkdtemp(join(tmpdir(), "portolan-trial-"));
      try {
        const runtime = createOnnxRuntime({
          quarantine: createQuarantine(join(folder, "quarantine.json"), systemClock),
          clock: systemClock,
          loadTimeoutMs: 120_000,
          memoryBytes: 4 * 2 ** 30,
          inlineMicros: defaultInlineMicros,
        });
        const model = await runtime.load({
          label: "adopted/1",
          digest,
          signature,
          form: "onnx",
          origin: "imported",
          loadBytes: async () => bytes,
        });
        try {
          return await use({ run: (rows, inputs) => ask(model, rows, inputs) });
        } finally {
          await model.close();
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function ask(
  model: LoadedModel,
  rows: number,
  inputs: readonly ProbeInput[],
): ReturnType<LoadedProbe["run"]> {
  const outcome = await model.run(
    inputs.map((input) => tensorOf(rows, input)),
    { timeoutMs: runTimeoutMs },
  );
  if (outcome.kind !== "ok")
    throw new PortolanError("kernel.internal", {
      detail: `the converted model gave no answer: ${outcome.kind}`,
    });
  return Object.fromEntries(
    outcome.outputs.flatMap((output) => {
      const [count = 0, width = 1] = output.shape;
      const values = [...output.data].map(Number);
      if (count !== rows || values.some(Number.isNaN)) return [];
      const row = (_: unknown, at: number) => values.slice(at * width, (at + 1) * width);
      return [[output.name, Array.from({ length: rows }, row)]];
    }),
  );
}

function tensorOf(rows: number, { name, columns, values }: ProbeInput): Tensor {
  const shape = [rows, columns];
  const numbers = values.filter((value) => typeof value === "number");
  return numbers.length === values.length
    ? { name, datatype: "FP32", shape, data: Float32Array.from(numbers) }
    : { name, datatype: "BYTES", shape, data: values.map(String) };
}
