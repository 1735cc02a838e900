import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-node";
import type { RowsAnswered, RowsAsked } from "./score-messages.ts";

/** Rows per run: bounds the memory of intermediate tensors. */
const batchRows = 4096;

/** Runs rows and gives the FP32 outputs, in the model's order. */
export type RunRows = (batch: Float32Array, rows: number) => Promise<readonly Float32Array[]>;

/** Opens a model, or has the parent ask the server that runs it. */
export async function openRows(modelPath: string | undefined): Promise<RunRows> {
  return modelPath === undefined ? runByParent : openModel(modelPath);
}

/** The probability of the positive class of each row. */
export async function scoreRows(run: RunRows, features: Float32Array, rows: number): Promise<Float64Array> {
  const width = features.length / Math.max(1, rows);
  const scores = new Float64Array(rows);
  for (let start = 0; start < rows; start += batchRows) {
    const count = Math.min(batchRows, rows - start);
    const batch = features.slice(start * width, (start + count) * width);
    scores.set(positiveScores(await run(batch, count), count), start);
  }
  return scores;
}

async function openModel(path: string): Promise<RunRows> {
  const session = await ort.InferenceSession.create(await readFile(path), { intraOpNumThreads: 2 });
  const [input] = session.inputNames;
  if (input === undefined || session.inputNames.length !== 1)
    throw new Error("the model does not take exactly one input tensor");
  return async (batch, rows) => {
    const tensor = new ort.Tensor("float32", batch, [rows, batch.length / rows]);
    const output = await session.run({ [input]: tensor });
    const values = session.outputNames.map((name) => output[name]?.data);
    return values.filter((value) => value instanceof Float32Array);
  };
}

/** The parent asks the server that runs the model; one batch at a time. */
async function runByParent(batch: Float32Array, rows: number): Promise<readonly Float32Array[]> {
  const answered = new Promise<RowsAnswered>((resolve) => process.once("message", resolve));
  process.send?.({ kind: "run", batch, rows } satisfies RowsAsked);
  const answer = await answered;
  if (answer.kind === "failed") throw new Error(answer.reason);
  return answer.outputs;
}

/** The probability of the positive class: the last floating-point output, its last column. */
function positiveScores(outputs: readonly Float32Array[], rows: number): Float64Array {
  const data = outputs.at(-1);
  if (!data) throw new Error("the model gives no float32 probabilities");
  const columns = data.length / rows;
  if (!Number.isInteger(columns)) throw new Error(`the model gives ${data.length} values for ${rows} rows`);
  return Float64Array.from({ length: rows }, (_, row) => data[row * columns + columns - 1] ?? Number.NaN);
}
