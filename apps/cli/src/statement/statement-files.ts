import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import {
  csvText,
  focusColumns,
  focusJson,
  focusType,
  type StatementDocument,
  type Table,
} from "@portolan/metering";
import { nameOf } from "./statement-words.ts";

const levelColumns = ["business_unit", "team", "use_case", "model", "environment"];
const amountColumns = ["own", "quota", "idle", "shared", "total"] as const;

/** All lines as rows, those of nobody and of others too: the column `total` sums to the bill. */
export function statementCsv({ lines, unattributed, others, currency }: StatementDocument): string {
  const row = (cells: readonly string[]) => cells;
  const owed = lines.map((line) => row([nameOf(line), ...amountColumns.map((column) => line[column])]));
  const rest = others === undefined ? [] : [row(["all others", "", "", "", "", others])];
  const nobody = unattributed.map(({ line, amount }) => row([`nobody: ${line}`, "", "", "", "", amount]));
  const blank = (cells: readonly string[]) => cells.map((cell) => (cell === "" ? null : cell));
  return csvText({
    columns: ["who", "own", "quota", "idle", "shared", `total ${currency}`],
    rows: [...owed, ...rest, ...nobody].map(blank),
  }).replaceAll("\r\n", "\n");
}

/** The same rows for programs: names in columns of their own, what was used as JSON, amounts as decimals of nine places. */
export async function statementParquet(document: StatementDocument): Promise<Uint8Array> {
  const types = Object.fromEntries(amountColumns.map((column) => [column, "DECIMAL(38, 9)"]));
  return parquetOf(rowsCsv(document), types);
}

/** Costs and quantities come out of whole attos: 18 places hold them exactly. */
const parquetTypes = { decimal: "DECIMAL(38, 18)", instant: "TIMESTAMPTZ", object: "JSON", text: "VARCHAR" };

/** A cost and usage table of FOCUS as its file's name ends: `.parquet` and `.json` typed, else CSV. */
export async function focusFile(file: string, table: Table): Promise<string | Uint8Array> {
  if (/\.json$/i.test(file)) return focusJson(table);
  if (!/\.parquet$/i.test(file)) return csvText(table);
  const types = focusColumns.map((column) => [column, parquetTypes[focusType(column)]] as const);
  return parquetOf(csvText(table), Object.fromEntries(types));
}

/** @param types of columns that are no text, in DuckDB's names */
async function parquetOf(csv: string, types: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const workFolder = await mkdtemp(join(tmpdir(), "portolan-statement-"));
  try {
    const [source, out] = [join(workFolder, "rows.csv"), join(workFolder, "rows.parquet")];
    await writeFile(source, csv);
    const cast = Object.entries(types).map(([column, type]) => `"${column}"::${type} AS "${column}"`);
    const sql = `COPY (SELECT * REPLACE (${cast.join(", ")}) FROM read_csv('${source.replaceAll("'", "''")}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false)) TO '${out.replaceAll("'", "''")}' (FORMAT parquet)`;
    await createDuckDbEngine({ threads: 1 }).run({
      statements: [{ sql }],
      readable: [],
      workFolder,
      timeoutMs: 60_000,
    });
    return await readFile(out);
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

function rowsCsv(document: StatementDocument): string {
  const { lines, unattributed, others, month, mode, currency } = document;
  const common = [month ?? null, mode, currency];
  const noNames = levelColumns.map(() => null);
  const rest = (kind: string, used: string | null, amount: string) => [
    ...common,
    kind,
    ...noNames,
    used,
    null,
    null,
    null,
    null,
    amount,
  ];
  return csvText({
    columns: ["month", "mode", "currency", "kind", ...levelColumns, "used", ...amountColumns],
    rows: [
      ...lines.map((line) => [
        ...common,
        "tenant",
        ...levelColumns.map((_, at) => line.names[at] || null),
        JSON.stringify(line.used),
        ...amountColumns.map((column) => line[column]),
      ]),
      ...(others === undefined ? [] : [rest("others", null, others)]),
      ...unattributed.map(({ line, quantity, amount }) =>
        rest("nobody", JSON.stringify({ [line]: quantity }), amount),
      ),
    ],
  });
}
