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

type Line = StatementDocument["lines"][number];

const levelColumns = ["business_unit", "team", "use_case", "model", "environment"];
const amountColumns = ["own", "quota", "idle", "shared", "total"] as const;

/**
 * All lines as rows, those of nobody and of others too: the column `total` sums to the bill. What was used of each metered line, unit costs and earlier
 * months' totals stand in columns of their own, where there are any.
 */
export function statementCsv(document: StatementDocument): string {
  const { lines, unattributed, others, currency } = document;
  const resources = [
    ...new Set([...lines.flatMap(({ used }) => Object.keys(used)), ...unattributed.map(({ line }) => line)]),
  ].toSorted();
  const more = moreColumns(document);
  const rest = (who: string, amount: string, used: Readonly<Record<string, string>> = {}) => [
    who,
    "",
    "",
    "",
    "",
    amount,
    ...resources.map((resource) => used[resource] ?? ""),
    ...more.map(() => ""),
  ];
  const rows = [
    ...lines.map((line) => [
      nameOf(line),
      ...amountColumns.map((column) => line[column]),
      ...resources.map((resource) => line.used[resource] ?? ""),
      ...more.map(({ of }) => of(line)),
    ]),
    ...(others === undefined ? [] : [rest("all others", others)]),
    ...unattributed.map(({ line, amount, quantity }) =>
      rest(`nobody: ${line}`, amount, { [line]: quantity }),
    ),
  ];
  return csvText({
    columns: [
      "who",
      "own",
      "quota",
      "idle",
      "shared",
      `total ${currency}`,
      ...resources,
      ...more.map(({ name }) => name),
    ],
    rows: rows.map((cells) => cells.map((cell) => (cell === "" ? null : cell))),
  }).replaceAll("\r\n", "\n");
}

interface MoreColumn {
  readonly name: string;
  readonly of: (line: Line) => string;
}

/** What a thousand of something, or one, came to, and what was owed before. */
function moreColumns({ lines, currency }: StatementDocument): readonly MoreColumn[] {
  const units = lines.flatMap(({ unitCosts = [] }) => unitCosts);
  const kinds = new Map(units.map(({ what, per }) => [what, per]));
  const months = new Set(lines.flatMap(({ trend = [] }) => trend.map(({ month }) => month)));
  return [
    ...[...kinds]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, per]) => ({
        name: `${currency} for ${per} ${what}`,
        of: ({ unitCosts = [] }: Line) => unitCosts.find((one) => one.what === what)?.cost ?? "",
      })),
    ...[...months].toSorted().map((month) => ({
      name: `total ${month}`,
      of: ({ trend = [] }: Line) => trend.find((one) => one.month === month)?.total ?? "",
    })),
  ];
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
    null,
    null,
  ];
  const json = (value: object | undefined) => (value === undefined ? null : JSON.stringify(value));
  return csvText({
    columns: [
      "month",
      "mode",
      "currency",
      "kind",
      ...levelColumns,
      "used",
      ...amountColumns,
      "unit_costs",
      "trend",
    ],
    rows: [
      ...lines.map((line) => [
        ...common,
        "tenant",
        ...levelColumns.map((_, at) => line.names[at] || null),
        JSON.stringify(line.used),
        ...amountColumns.map((column) => line[column]),
        json(line.unitCosts),
        json(line.trend),
      ]),
      ...(others === undefined ? [] : [rest("others", null, others)]),
      ...unattributed.map(({ line, quantity, amount }) =>
        rest("nobody", JSON.stringify({ [line]: quantity }), amount),
      ),
    ],
  });
}
