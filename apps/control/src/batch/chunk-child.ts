import { readFile } from "node:fs/promises";
import { type DuckDBAppender, DuckDBDecimalValue, DuckDBInstance } from "@duckdb/node-api";
import { messageOf } from "@portolan/kernel";
import { createSession } from "@portolan/onnx/session";
import type { ScoredBytes } from "@portolan/scoring/contract";
import type { Columns } from "../scoring/model-inputs.ts";
import { quotedName, quotedText, withDuckDb } from "../scoring/read-table.ts";
import type { ChunkJob, ChunkReply } from "./chunk-messages.ts";
import { readExactly, type SortedRows, sortRows } from "./read-rows.ts";
import { parentRunner, sessionRunner } from "./row-runner.ts";
import { runRows, type ScoredRows } from "./run-rows.ts";
import { bytesOfValues } from "./value-bytes.ts";

/** Scores one chunk of a snapshot in a process of its own. */

process.once("message", (job: ChunkJob) => {
  score(job)
    .catch((error: unknown): ChunkReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function score(job: ChunkJob): Promise<ChunkReply> {
  const { plan } = job;
  const table = await readChunk(job);
  const rows = table.size === 0 ? 0 : job.rows;
  const sorted = sortRows(plan, table, rows);
  const runner =
    job.modelPath === undefined
      ? parentRunner()
      : sessionRunner(await createSession(await readFile(job.modelPath), plan.signature));
  const scored = await runRows(runner, plan, table, sorted.accepted);
  const judged = judgeOutputs(plan.nonFiniteOutputs, scored, sorted);
  const columns = await writeChunk(job, scored, judged);
  const bytes = await countBytes(job);
  const { user, system } = process.cpuUsage();
  return {
    kind: "scored",
    rows,
    refused: judged.refused.size,
    rowsPerRun: scored.rowsPerRun,
    columns,
    cpuSeconds: (user + system) / 1e6,
    bytes,
  };
}

function sourceOf({ datasetPath, from, rows }: ChunkJob): string {
  return `(select * from read_parquet(${quotedText(datasetPath)}, file_row_number = true)
    where file_row_number >= ${from} and file_row_number < ${from + rows})`;
}

async function readChunk(job: ChunkJob): Promise<Columns> {
  const columns = job.plan.inputs.flatMap(({ spec, columns: filled }) =>
    filled.map(({ column }) => `${readExactly(spec, quotedName(column))} as ${quotedName(column)}`),
  );
  const { columns: table, rows } = await withDuckDb((ask) =>
    ask(`select ${[...new Set(columns)].join(", ")} from ${sourceOf(job)} order by file_row_number`),
  );
  if (rows !== job.rows)
    throw new Error(`the snapshot has ${rows} of the ${job.rows} rows from ${job.from} on`);
  return new Map([...table].map(([name, values]) => [name, values.map(plainNumber)]));
}

/** What was read of the snapshot, each column once, and all of what the chunk holds. */
function countBytes(job: ChunkJob): Promise<ScoredBytes> {
  const read = job.plan.inputs.flatMap(({ columns }) => columns.map(({ column }) => column));
  return withDuckDb(async (ask) => ({
    in: await bytesOfValues(ask, sourceOf(job), [...read, ...job.keys]),
    out: await bytesOfValues(ask, `read_parquet(${quotedText(job.output)})`),
  }));
}

/** Decimals as numbers: whole ones exactly. */
function plainNumber(value: unknown): unknown {
  if (!(value instanceof DuckDBDecimalValue)) return value;
  const one = 10n ** BigInt(value.scale);
  return value.value % one === 0n ? value.value / one : value.toDouble();
}

/** A row whose answer may not be given out has none. What the endpoint's fallback would say is not a score. */
function judgeOutputs(
  policy: ChunkJob["plan"]["nonFiniteOutputs"],
  { outputs, refused: notTaken }: ScoredRows,
  { accepted, refused }: SortedRows,
): SortedRows {
  const why = new Map([...refused, ...notTaken]);
  if (policy === "allow" || policy === "missing") return { accepted, refused: why };
  for (const { name, rows } of outputs)
    rows.forEach((row, at) => {
      const isGap = row.some((value) => typeof value === "number" && !Number.isFinite(value));
      const place = accepted[at];
      if (isGap && place !== undefined && !why.has(place)) why.set(place, `non_finite_output: ${name}`);
    });
  return { accepted, refused: why };
}

const columnTypes: Readonly<Record<string, string>> = {
  BOOL: "boolean",
  FP16: "float",
  FP32: "float",
  FP64: "double",
  BYTES: "varchar",
  UINT64: "hugeint",
};

interface ScoreColumn {
  readonly name: string;
  readonly type: string;
  /** Of an accepted row, by its place among those. */
  readonly valueOf: (at: number) => unknown;
}

/** A column per element of an output's row. */
function scoreColumns({ outputs }: ScoredRows): ScoreColumn[] {
  return outputs.flatMap(({ name, datatype, width, rows }) =>
    Array.from({ length: width }, (_, index) => ({
      name: width === 1 ? name : `${name}_${index}`,
      type: columnTypes[datatype] ?? "bigint",
      valueOf: (at: number): unknown => rows[at]?.[index],
    })),
  );
}

/**
 * Scores beside keys, in the order of the rows: `_row` counts within the whole snapshot.
 *
 * @returns the names of the columns, in their order
 */
async function writeChunk(job: ChunkJob, scored: ScoredRows, sorted: SortedRows): Promise<string[]> {
  const columns = scoreColumns(scored);
  requireDistinct([...job.keys, ...columns.map(({ name }) => name)]);
  const instance = await DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    threads: "1",
  });
  const connection = await instance.connect();
  try {
    const declared = columns.map(({ name, type }) => `${quotedName(name)} ${type}`);
    await connection.run(
      `create table scores (${["_row bigint", ...declared, "_refused varchar"].join(", ")})`,
    );
    appendRows(await connection.createAppender("scores"), job, columns, sorted);
    const keys = job.keys.map((key) => `source.${quotedName(key)}`);
    const shown = columns.map(({ name }) => `scores.${quotedName(name)}`);
    const selected = [
      "scores._row",
      ...keys,
      ...shown,
      "scores._refused",
      `${quotedText(job.label)} as _model`,
    ];
    await connection.run(
      `copy (select ${selected.join(", ")} from scores join ${sourceOf(job)} as source on source.file_row_number = scores._row
        order by scores._row) to ${quotedText(job.output)} (format parquet, compression zstd)`,
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return ["_row", ...job.keys, ...columns.map(({ name }) => name), "_refused", "_model"];
}

function appendRows(
  appender: DuckDBAppender,
  job: ChunkJob,
  columns: readonly ScoreColumn[],
  { accepted, refused }: SortedRows,
): void {
  const placeOf = new Map(accepted.map((row, at) => [row, at]));
  for (let row = 0; row < job.rows; row++) {
    const why = refused.get(row);
    const at = placeOf.get(row);
    appender.appendBigInt(BigInt(job.from + row));
    for (const { type, valueOf } of columns)
      appendScore(appender, type, why === undefined && at !== undefined ? valueOf(at) : undefined);
    if (why === undefined) appender.appendNull();
    else appender.appendVarchar(why);
    appender.endRow();
  }
  appender.closeSync();
}

function appendScore(appender: DuckDBAppender, type: string, value: unknown): void {
  if (typeof value === "string") appender.appendVarchar(value);
  else if (typeof value !== "number" && typeof value !== "bigint") appender.appendNull();
  else if (type === "boolean") appender.appendBoolean(Boolean(value));
  else if (type === "float") appender.appendFloat(Number(value));
  else if (type === "double") appender.appendDouble(Number(value));
  else if (type === "hugeint") appender.appendHugeInt(BigInt(value));
  else appender.appendBigInt(BigInt(value));
}

function requireDistinct(names: readonly string[]): void {
  const own = ["_row", "_refused", "_model"];
  const twice = [...own, ...names].find((name, at, all) => all.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`two columns of the scored snapshot would be called ${twice}`);
}
