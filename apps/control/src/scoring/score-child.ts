import { readFile } from "node:fs/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { messageOf } from "@portolan/kernel";
import * as ort from "onnxruntime-node";
import type { ScoreJob, ScoreReply } from "./score-messages.ts";

/**
 * Runs one model over held-out rows in a process of its own: an unproven model may crash or hang this process, and
 * nothing else.
 */

/** Rows per run: bounds the memory of intermediate tensors. */
const batchRows = 4096;

process.once("message", (job: ScoreJob) => {
  score(job)
    .catch((error: unknown): ScoreReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function score(job: ScoreJob): Promise<ScoreReply> {
  const rows = await readRows(job);
  const scores = await runModel(job, rows.features, rows.count);
  return {
    kind: "scored",
    scores,
    labels: rows.labels,
    ...(rows.baseline ? { baseline: rows.baseline } : {}),
  };
}

interface Rows {
  readonly count: number;
  readonly features: Float32Array;
  readonly labels: Uint8Array;
  readonly baseline?: Float64Array;
}

async function readRows(job: ScoreJob): Promise<Rows> {
  const instance = await DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    threads: "2",
  });
  const connection = await instance.connect();
  try {
    const features = job.featureColumns.map((name) => `cast(${quoted(name)} as double)`);
    const baseline =
      job.baselineColumn === undefined ? [] : [`cast(${quoted(job.baselineColumn)} as double)`];
    const columns = [`cast(${quoted(job.labelColumn)} as double)`, ...features, ...baseline];
    const source = `read_parquet('${job.datasetPath.replaceAll("'", "''")}')`;
    const reader = await connection.runAndReadAll(`select ${columns.join(", ")} from ${source}`);
    return layOut(reader.getColumns(), job);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Columns to row-major float32: what a model of one input tensor takes. A null feature is NaN, as in training. */
function layOut(columns: readonly (readonly unknown[])[], job: ScoreJob): Rows {
  const [labelValues = [], ...rest] = columns;
  const count = labelValues.length;
  const width = job.featureColumns.length;
  const features = new Float32Array(count * width);
  job.featureColumns.forEach((_, column) => {
    const values = rest[column] ?? [];
    for (let row = 0; row < count; row++) features[row * width + column] = numberOf(values[row]);
  });
  const labels = Uint8Array.from(labelValues, (value) => {
    if (value !== 0 && value !== 1)
      throw new Error(`the label column ${job.labelColumn} holds ${String(value)}, not 0 or 1`);
    return value;
  });
  if (job.baselineColumn === undefined) return { count, features, labels };
  return {
    count,
    features,
    labels,
    baseline: withMean(rest[width] ?? []),
  };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

/** A naive score has no opinion on a row without a value: it gets the mean of the others. */
function withMean(values: readonly unknown[]): Float64Array {
  const known = values.filter((value): value is number => typeof value === "number" && !Number.isNaN(value));
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return Float64Array.from(values, (value) =>
    typeof value === "number" && !Number.isNaN(value) ? value : mean,
  );
}

async function runModel(job: ScoreJob, features: Float32Array, rows: number): Promise<Float64Array> {
  const session = await ort.InferenceSession.create(await readFile(job.modelPath), { intraOpNumThreads: 2 });
  const [input] = session.inputNames;
  if (input === undefined || session.inputNames.length !== 1)
    throw new Error("the model does not take exactly one input tensor");
  const width = job.featureColumns.length;
  const scores = new Float64Array(rows);
  for (let start = 0; start < rows; start += batchRows) {
    const count = Math.min(batchRows, rows - start);
    const batch = features.subarray(start * width, (start + count) * width);
    const output = await session.run({ [input]: new ort.Tensor("float32", batch, [count, width]) });
    scores.set(positiveScores(session.outputNames, output, count), start);
  }
  return scores;
}

/** The probability of the positive class: the last floating-point output, its last column. */
function positiveScores(
  names: readonly string[],
  output: ort.InferenceSession.OnnxValueMapType,
  rows: number,
): Float64Array {
  const data = names.map((name) => output[name]?.data).findLast((values) => values instanceof Float32Array);
  if (!data) throw new Error("the model gives no float32 probabilities");
  const columns = data.length / rows;
  if (!Number.isInteger(columns)) throw new Error(`the model gives ${data.length} values for ${rows} rows`);
  return Float64Array.from({ length: rows }, (_, row) => data[row * columns + columns - 1] ?? Number.NaN);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
