import { readFile } from "node:fs/promises";
import type { ScoredClasses } from "@portolan/evaluation";
import {
  type ClassReliability,
  classReliability,
  countProbabilities,
  squaredErrorOf,
} from "@portolan/numerics";
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

/** A whole of single-precision probabilities is this near to one. */
const nearOne = 1e-3;

/**
 * Which of several classes the model says of each row: the highest score of its last floating-point output, which has a column for each class; of scores that
 * are alike the first.
 * @param labels number of the class that each row is of
 * @throws Error for a label that is the number of no class, or scores that are no numbers
 */
export async function scoreClassRows(
  run: RunRows,
  features: Float32Array,
  labels: Float64Array,
): Promise<Omit<ScoredClasses, "baseline" | "slices">> {
  const rows = labels.length;
  const width = features.length / Math.max(1, rows);
  const predicted = new Uint16Array(rows);
  const [likelihoods, squaredErrors] = [new Float64Array(rows), new Float64Array(rows)];
  const confidences = new Float64Array(rows);
  let [classCount, areProbabilities] = [0, true];
  let reliability: ClassReliability | undefined;
  for (let start = 0; start < rows; start += batchRows) {
    const count = Math.min(batchRows, rows - start);
    const outputs = await run(features.slice(start * width, (start + count) * width), count);
    const { data, columns } = tableOf(outputs, count);
    if (columns < 2) throw new Error("the model gives one value for a row, and none for each class");
    classCount = columns;
    reliability ??= classReliability(columns);
    for (let at = 0; at < count; at++) {
      const row = start + at;
      const scores = data.subarray(at * columns, (at + 1) * columns);
      const label = labels[row] ?? Number.NaN;
      if (!(Number.isInteger(label) && label >= 0 && label < columns))
        throw new Error(`a label is ${label}, and the model's ${columns} classes have the numbers from 0`);
      predicted[row] = highest(scores);
      likelihoods[row] = scores[label] ?? Number.NaN;
      areProbabilities &&= isDistribution(scores);
      if (!areProbabilities) continue;
      squaredErrors[row] = squaredErrorOf(scores, label);
      confidences[row] = Math.min(1, scores[predicted[row] ?? 0] ?? Number.NaN);
      countProbabilities(reliability, scores, label);
    }
  }
  const of = { classCount, predicted, labels: Uint16Array.from(labels) };
  return areProbabilities && reliability
    ? { ...of, likelihoods, squaredErrors, probabilities: { confidences, reliability } }
    : of;
}

/** The number of the class that the model says of each row, as `scoreClassRows` has it. @throws Error for scores that are no numbers */
export async function sayClasses(run: RunRows, features: Float32Array, rows: number): Promise<Uint16Array> {
  const width = features.length / Math.max(1, rows);
  const said = new Uint16Array(rows);
  for (let start = 0; start < rows; start += batchRows) {
    const count = Math.min(batchRows, rows - start);
    const outputs = await run(features.slice(start * width, (start + count) * width), count);
    const { data, columns } = tableOf(outputs, count);
    for (let at = 0; at < count; at++)
      said[start + at] = highest(data.subarray(at * columns, (at + 1) * columns));
  }
  return said;
}

function highest(scores: Float32Array): number {
  let best = 0;
  scores.forEach((score, at) => {
    if (!Number.isFinite(score)) throw new Error("a score is not a finite number");
    if (score > (scores[best] ?? Number.NaN)) best = at;
  });
  return best;
}

function isDistribution(scores: Float32Array): boolean {
  let sum = 0;
  for (const score of scores) {
    if (score < 0) return false;
    sum += score;
  }
  return Math.abs(sum - 1) <= nearOne;
}

function tableOf(outputs: readonly Float32Array[], rows: number) {
  const data = outputs.at(-1);
  if (!data) throw new Error("the model gives no float32 probabilities");
  const columns = data.length / rows;
  if (!Number.isInteger(columns)) throw new Error(`the model gives ${data.length} values for ${rows} rows`);
  return { data, columns };
}

/** The probability of the positive class: the last floating-point output, its last column. */
function positiveScores(outputs: readonly Float32Array[], rows: number): Float64Array {
  const { data, columns } = tableOf(outputs, rows);
  return Float64Array.from({ length: rows }, (_, row) => data[row * columns + columns - 1] ?? Number.NaN);
}
