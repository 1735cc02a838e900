import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { SliceValues } from "@portolan/evaluation";
import type { ScoreJob } from "./score-messages.ts";
import { readAsSlice, sliceValues } from "./slice-column.ts";

export type RowsJob = Omit<ScoreJob, "modelPath" | "labels">;

/** Rows of a file as a model of one table takes them. */
export interface Rows<Labels = Uint8Array> {
  readonly count: number;
  readonly features: Float32Array;
  readonly labels: Labels;
  readonly baseline?: Float64Array;
  readonly slices?: readonly SliceValues[];
}

/** @throws Error for a label that is neither 0 nor 1; what DuckDB throws */
export function readRows(job: RowsJob): Promise<Rows> {
  return readLabelled(job, classesOf);
}

/** Of rows whose label is a quantity. @throws Error for a label that is no finite number; what DuckDB throws */
export function readQuantityRows(job: RowsJob): Promise<Rows<Float64Array>> {
  return readLabelled(job, quantitiesOf);
}

type LabelsOf<Labels> = (values: readonly unknown[], column: string) => Labels;

async function readLabelled<Labels>(job: RowsJob, labelsOf: LabelsOf<Labels>): Promise<Rows<Labels>> {
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
    const rows = layOut(read.slice(0, own.length), job, labelsOf);
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
function layOut<Labels>(
  columns: readonly (readonly unknown[])[],
  job: RowsJob,
  labelsOf: LabelsOf<Labels>,
): Rows<Labels> {
  const [labelValues = [], ...rest] = columns;
  const count = labelValues.length;
  const width = job.featureColumns.length;
  const features = new Float32Array(count * width);
  job.featureColumns.forEach((_, column) => {
    const values = rest[column] ?? [];
    for (let row = 0; row < count; row++) features[row * width + column] = numberOf(values[row]);
  });
  const labels = labelsOf(labelValues, job.labelColumn);
  if (job.baselineColumn === undefined) return { count, features, labels };
  return {
    count,
    features,
    labels,
    baseline: withMean(rest[width] ?? []),
  };
}

function classesOf(values: readonly unknown[], column: string): Uint8Array {
  return Uint8Array.from(values, (value) => {
    if (value !== 0 && value !== 1)
      throw new Error(`the label column ${column} holds ${String(value)}, not 0 or 1`);
    return value;
  });
}

function quantitiesOf(values: readonly unknown[], column: string): Float64Array {
  return Float64Array.from(values, (value) => {
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new Error(`the label column ${column} holds ${String(value)}, not a finite number`);
    return value;
  });
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

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
