import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { isPortolanError, linesOf, PortolanError } from "@portolan/kernel";
import { readTableJson, type Table } from "@portolan/metering";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";

const mostBytes = 2 ** 30;
/** Read as one text. */
const mostJsonBytes = 2 ** 28;
/** A month of a company's bill by the day; hourly ones of many accounts are larger and have to be cut by account or day. */
const mostRows = 500_000;
const mostColumns = 500;

/**
 * A bill's table, every cell as its exact text: CSV (quoted, also gzipped) and Parquet, read by the engine behind its walls, and JSON (an array with an object
 * for each row).
 *
 * @param columns those that are wanted; absent: all
 * @throws PortolanError `cli.bad_file`
 */
export async function readBillTable(
  context: CliContext,
  file: string,
  columns?: readonly string[],
): Promise<Table> {
  const path = resolve(context.cwd, file);
  const { size } = await stat(path);
  const isJson = /\.json$/i.test(path);
  const most = isJson ? mostJsonBytes : mostBytes;
  if (size > most) throw badTable(path, `it has ${size} bytes; ${most} are read`);
  if (isJson) return jsonTable(path, columns);
  const workFolder = await mkdtemp(join(tmpdir(), "portolan-bill-"));
  try {
    return await tableOf({ path, workFolder, columns });
  } catch (cause) {
    if (!isPortolanError(cause) || cause.code === "cli.bad_file") throw cause;
    throw badTable(path, (cause.detail ?? cause.code).split("\n").slice(0, 2).join(" ").slice(0, 300), cause);
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

async function jsonTable(path: string, wanted: readonly string[] | undefined): Promise<Table> {
  const table = readTableJson(await readFile(path, "utf8"), { rows: mostRows, columns: mostColumns });
  if (typeof table === "string") throw badTable(path, table);
  if (wanted === undefined) return table;
  const found = table.columns.flatMap((name, at) => (wanted.includes(name) ? [at] : []));
  return {
    columns: found.map((at) => table.columns[at] ?? ""),
    rows: table.rows.map((row) => found.map((at) => row[at] ?? null)),
  };
}

interface Reading {
  readonly path: string;
  readonly workFolder: string;
  readonly columns: readonly string[] | undefined;
}

async function tableOf({ path, workFolder, columns }: Reading): Promise<Table> {
  const source = sourceOf(path);
  const engine = createDuckDbEngine({ threads: 1 });
  const run = async (sql: string) =>
    (
      await engine.run({
        statements: [{ sql, returns: "rows" }],
        readable: [path],
        workFolder,
        timeoutMs: 120_000,
      })
    ).rows["rows"] ?? [];
  const described = (
    await run(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source.sql})`)
  ).map((row) => ({
    name: String(row["column_name"]),
    type: String(row["column_type"]),
  }));
  if (described.length > mostColumns) throw badTable(path, `it has more than ${mostColumns} columns`);
  const wanted = columns === undefined ? described : described.filter(({ name }) => columns.includes(name));
  // A table without any column that is wanted is told by its reader, who knows what it looked for.
  const read = wanted.length > 0 ? wanted : described.slice(0, 1);
  const cells = read.map(({ name }) => `"${name.replaceAll('"', '""')}"::VARCHAR`).join(", ");
  const out = join(workFolder, "rows.ndjson");
  await run(
    `COPY (SELECT [${cells}] AS r FROM ${source.sql} LIMIT ${mostRows + 1}) TO ${quoted(out)} (FORMAT json)`,
  );
  const rows = await readRows(out);
  if (rows.length > mostRows) throw badTable(path, `it has more than ${mostRows} rows`);
  return {
    columns: read.map(({ name }) => name),
    ...(source.isTyped ? { types: read.map(({ type }) => type) } : {}),
    rows,
  };
}

function sourceOf(path: string): { readonly sql: string; readonly isTyped: boolean } {
  if (/\.parquet$/i.test(path)) return { sql: `read_parquet(${quoted(path)})`, isTyped: true };
  // A cell without quotes and text has no value; "" is an empty text.
  return {
    sql: `read_csv(${quoted(path)}, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, compression = ${/\.gz$/i.test(path) ? "'gzip'" : "'none'"})`,
    isTyped: false,
  };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function readRows(file: string): Promise<(string | null)[][]> {
  const rows: (string | null)[][] = [];
  for await (const line of linesOf(createReadStream(file))) {
    const { r } = JSON.parse(line) as { readonly r: (string | null)[] };
    rows.push(r);
  }
  return rows;
}

function badTable(path: string, why: string, cause?: unknown): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} cannot be read as a bill: ${why}`,
    mend: "Name a CSV file with a header (also .gz), a Parquet file, or JSON with an object for each row.",
    ...(cause === undefined ? {} : { cause }),
  });
}
