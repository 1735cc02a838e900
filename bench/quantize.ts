import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { mcnemarGreater, notInferiorShare, wilsonInterval } from "@portolan/numerics";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  type HeldOut,
  methods,
  quantizeNetwork,
  trainOnDigits,
} from "../test/clients/quantization/digits.ts";
import { pythonClient } from "../tools/python-client.ts";

/**
 * A network of handwritten digits (64→width→width→10) and what quantisation makes of it: bytes, latency, rows a second and
 * accuracy on 797 held-out rows. One thread, no gateway; the models take turns in every round, so that all see the same machine.
 *
 * Usage: node bench/quantize.ts [width]
 */
const width = Number(process.argv[2] ?? 2048);
const [rounds, runs, batch] = [10, 20, 64];
const margin = 0.01;

interface Model {
  readonly name: string;
  readonly bytes: number;
  readonly session: InferenceSession;
  readonly isRight: readonly boolean[];
  readonly oneMicros: number[];
  readonly batchMicros: number[];
}

async function load(folder: string, name: string, { rows, labels }: HeldOut): Promise<Model> {
  const bytes = readFileSync(join(folder, `${name}.onnx`));
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const { label } = await session.run(feed(session, rows));
  const said = Array.from(label?.data as BigInt64Array, Number);
  const isRight = labels.map((one, at) => one === said[at]);
  return { name, bytes: bytes.length, session, isRight, oneMicros: [], batchMicros: [] };
}

function feed(session: InferenceSession, rows: HeldOut["rows"]): Record<string, Tensor> {
  const [input = "X"] = session.inputNames;
  return { [input]: new Tensor("float32", Float32Array.from(rows.flat()), [rows.length, 64]) };
}

async function time({ session }: Model, rows: HeldOut["rows"], into: number[]): Promise<void> {
  const input = feed(session, rows);
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await session.run(input);
    into.push((performance.now() - start) * 1000);
  }
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
}

function describe(model: Model, original: Model): string {
  const right = model.isRight.filter(Boolean).length;
  const { low, high } = wilsonInterval(right, model.isRight.length);
  const gained = model.isRight.filter((is, at) => is && !original.isRight[at]).length;
  const lost = model.isRight.filter((is, at) => !is && original.isRight[at]).length;
  const noWorse = notInferiorShare({ gained, lost }, model.isRight.length, margin).p;
  const worse = mcnemarGreater({ gained: lost, lost: gained }).p;
  const rate = (one: Model): number => (batch * 1e6) / quantile(one.batchMicros, 0.5);
  const times = (ratio: number): string => `${ratio.toFixed(2)} ×`;
  return [
    `${model.name}: ${model.bytes} bytes (${times(original.bytes / model.bytes)} smaller)`,
    `  1 row: p50 ${quantile(model.oneMicros, 0.5).toFixed(0)} µs, p95 ${quantile(model.oneMicros, 0.95).toFixed(0)} µs (${times(quantile(original.oneMicros, 0.5) / quantile(model.oneMicros, 0.5))})`,
    `  ${batch} rows: p50 ${quantile(model.batchMicros, 0.5).toFixed(0)} µs, p95 ${quantile(model.batchMicros, 0.95).toFixed(0)} µs, ${rate(model).toFixed(0)} rows/s (${times(rate(model) / rate(original))})`,
    `  accuracy ${(right / model.isRight.length).toFixed(4)} (95 %: ${low.toFixed(4)} to ${high.toFixed(4)}); beside the original ${gained} gained, ${lost} lost; p of worse ${worse.toFixed(3)}, of no worse than a point ${noWorse.toFixed(4)}`,
  ].join("\n");
}

const python = await pythonClient("quantization");
if (python === undefined) throw new Error("there is no python3");
const folder = mkdtempSync(join(tmpdir(), "quantize-"));
try {
  const heldOut = await trainOnDigits(python, folder, width);
  for (const method of methods) await quantizeNetwork(python, folder, method);
  const models = await Promise.all(["network", ...methods].map((name) => load(folder, name, heldOut)));
  const [original] = models;
  if (!original) throw new Error("no model");
  for (let round = 0; round < rounds; round++)
    for (const model of models) {
      await time(model, heldOut.rows.slice(0, 1), model.oneMicros);
      await time(model, heldOut.rows.slice(0, batch), model.batchMicros);
    }
  const busy = loadavg().map((value) => value.toFixed(1));
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${busy.join(" ")}`,
  );
  console.log(`64→${width}→${width}→10, ${rounds} rounds of ${runs} runs each, one thread`);
  for (const model of models) console.log(describe(model, original));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
