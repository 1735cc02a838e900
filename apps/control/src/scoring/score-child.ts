import { readFile } from "node:fs/promises";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { SliceValues } from "@portolan/evaluation";
import { messageOf } from "@portolan/kernel";
import * as ort from "onnxruntime-node";
import type { RowsAnswered, RowsAsked, ScoreJob, ScoreReply } from "./score-messages.ts";
import { readAsSlice, sliceValues } from "./slice-column.ts";

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
    ...(rows.slices ? { slices: rows.slices } : {}),
  };
}

interface Rows {
  readonly count: number;
  readonly features: Float32Array;
  readonly labels: Uint8Array;
  readonly baseline?: Float64Array;
  readonly slices?: readonly SliceValues[];
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
    const source = `read_parquet('${job.datasetPath.replaceAll("'", "''")}')`;
    const sliced = await present(connection, source, job.sliceColumns ?? []);
    const own = [`cast(${quoted(job.labelColumn)} as double)`, ...features, ...baseline];
    const columns = [...own, ...sliced.map(({ column, type }) => readAsSlice(quoted(column), type))];
    const reader = await connection.runAndReadAll(`select ${columns.join(", ")} from ${source}`);
    const read = reader.getColumns();
    const rows = layOut(read.slice(0, own.length), job);
    if (!job.sliceColumns) return rows;
    const slices = sliced.map(({ column }, at) => sliceValues(column, read[own.length + at] ?? []));
    return { ...rows, slices };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Those of the columns that the file has, with DuckDB's types. */
async function present(
  connection: DuckDBConnection,
  source: string,
  columns: readonly string[],
): Promise<{ readonly column: string; readonly type: string }[]> {
  if (columns.length === 0) return [];
  const reader = await connection.runAndReadAll(`select * from ${source} limit 0`);
  const types = reader.columnTypes();
  const typeOf = new Map(reader.columnNames().map((name, at) => [name, String(types[at])]));
  return columns.flatMap((column) => {
    const type = typeOf.get(column);
    return type === undefined ? [] : [{ column, type }];
  });
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

/** Runs rows and gives the FP32 outputs, in the model's order. */
type RunRows = (batch: Float32Array, rows: number) => Promise<readonly Float32Array[]>;

async function runModel(job: ScoreJob, features: Float32Array, rows: number): Promise<Float64Array> {
  const run = job.modelPath === undefined ? runByParent : await openModel(job.modelPath);
  const width = job.featureColumns.length;
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

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
