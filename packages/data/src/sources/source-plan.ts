import { quoteName, quoteText } from "@portolan/expressions";
import type { ContractColumn } from "../contracts/contract-model.ts";
import { jsonValueSql, textValueSql, typedValueSql } from "../values/value-sql.ts";
import type { CsvDialect } from "./csv-dialect.ts";
import { keptRowsSql } from "./kept-rows.ts";
import type { ObservedColumn } from "./observe-sources.ts";

/**
 * `events` are JSON lines of our own, in which an array is a dead letter: its source, position, error and text. `accepted` and `quarantine` are
 * what an earlier ingestion left. None of the three is ever what a caller sends.
 */
export type SourceFormat = "parquet" | "csv" | "jsonl" | "events" | "accepted" | "quarantine";

/** Whether a file is lines of JSON, each with members of its own. */
export function isJsonLines(format: SourceFormat): boolean {
  return format === "jsonl" || format === "events";
}

export interface SourceFile {
  readonly path: string;
  readonly format: SourceFormat;
  /** How a CSV file is written; a comma and double quotes where nothing is said. */
  readonly csv?: CsvDialect;
  /** The columns of the contract that wrote it, for a file of our own: rows that are judged again. */
  readonly before?: readonly ContractColumn[];
  /** What people call it, where its path is an object's. */
  readonly name?: string;
  /** Columns of the relation that the file was read from, with its own types; the file has those of them that the contract knows. */
  readonly relation?: readonly ObservedColumn[];
  /** Columns that the file has, in lower case; all that the contract reads where nothing is said. */
  readonly has?: ReadonlySet<string>;
}

/** Rows of one file lie this far apart from the next file's, so that `_row` names a row of the batch for good. */
const rowsPerFile = 2 ** 40;
/** A line, or a row of CSV, may be this long and is judged like any other. A longer line of JSON is a dead letter; a CSV file with a longer row is not read at all. */
const maxLineBytes = 32 * 2 ** 20;

/**
 * Reads a file as `_row`, the typed columns, and `raw`: a struct of what the source said, kept for quarantine.
 * A cell that does not parse is null in the typed column and still there in `raw`.
 */
export function sourceSql(
  source: SourceFile,
  index: number,
  columns: readonly ContractColumn[],
): { readonly rows: string; readonly deadLetters?: string } {
  const base = index * rowsPerFile;
  const file = quoteText(source.name ?? source.path.split("/").at(-1) ?? "");
  const named = (column: ContractColumn): string =>
    source.has && !source.has.has(column.source.toLowerCase()) ? "null::varchar" : quoteName(column.source);
  if (source.format === "parquet")
    return {
      rows: rowsSql(columns, `${base} + file_row_number`, parquetReader(source), named, typedValueSql),
    };
  if (source.format === "accepted" || source.format === "quarantine")
    return { rows: keptRowsSql(source, `${base} + file_row_number`, columns) };
  if (source.format === "csv") {
    const from = csvReader(source, index);
    return {
      rows: rowsSql(columns, `${base} + row_number() over ()`, from, named, textValueSql),
      deadLetters: `select ${file}, line, first(error_message order by error_message), first(csv_line[:2000] order by error_message) from rejects_${index} group by line`,
    };
  }
  const numbered = (reader: string): string => `(select row_number() over () as n, line from ${reader})`;
  // Lines that cannot be read at all are told by the first reading; the second one passes them over.
  const lines = numbered(jsonLines(source));
  const object = "(case when json_valid(line) then json_type(line) = 'OBJECT' else false end)";
  // Which of two values a member has would be each reader's own guess.
  const once = "len(json_keys(line)) = list_unique(json_keys(line))";
  const row = `(case when ${object} then ${once} else false end)`;
  return {
    rows: rowsSql(
      columns,
      `${base} + n`,
      `${numbered(jsonLines(source, index))} where ${row}`,
      (column) =>
        `json_extract(case when json_valid(line) then line end, ${quoteText(`$."${column.source}"`)})`,
      jsonValueSql,
    ),
    deadLetters: `${source.format === "events" ? keptDeadLetters(lines, row) : jsonDeadLetters(file, lines, object, row)}
      union all select ${file}, line, 'over 32 MiB, or not UTF-8', first(csv_line[:2000]) from rejects_${index} group by line`,
  };
}

function jsonDeadLetters(file: string, lines: string, object: string, row: string): string {
  return `select ${file}, n, case when ${object} then 'names a member twice' else 'not a JSON object' end, line[:2000] from ${lines} where not ${row}`;
}

/** Dead letters of events say themselves where they came from, and why they are none. */
function keptDeadLetters(lines: string, row: string): string {
  const array = "(case when json_valid(line) then json_type(line) = 'ARRAY' else false end)";
  const part = (index: number): string => `(case when ${array} then line ->> ${index} end)`;
  return `select coalesce(${part(0)}, 'events'), coalesce(try_cast(${part(1)} as bigint), n), coalesce(${part(2)}, 'not a JSON object'), coalesce(${part(3)}, line)[:2000]
    from ${lines} where not ${row}`;
}

function parquetReader({ path }: SourceFile): string {
  return `read_parquet(${quoteText(path)}, file_row_number = true, hive_partitioning = false)`;
}

/** @param index numbers the tables that receive rejected rows; without it they are not kept */
export function csvReader({ path, csv }: SourceFile, index?: number): string {
  const { delimiter, quote } = csv ?? { delimiter: ",", quote: '"' };
  return `read_csv(${quoteText(path)}, hive_partitioning = false, delim = ${quoteText(delimiter)}, quote = ${quoteText(quote)}, escape = ${quoteText(quote)}, header = true, all_varchar = true, parallel = false, max_line_size = ${maxLineBytes}, ${rejects(index)})`;
}

function rejects(index: number | undefined): string {
  return index === undefined
    ? "ignore_errors = true"
    : `store_rejects = true, rejects_limit = 0, rejects_table = 'rejects_${index}', rejects_scan = 'rejects_scan_${index}'`;
}

/**
 * The lines of a file, each a text in `line`, in their order.
 *
 * @param index numbers the tables that receive lines that cannot be read; without it they are passed over
 */
export function jsonLines({ path }: SourceFile, index?: number): string {
  return `read_csv(${quoteText(path)}, header = false, columns = {'line': 'varchar'}, delim = '\\x01', quote = '', escape = '', auto_detect = false, parallel = false, max_line_size = ${maxLineBytes}, ${rejects(index)})`;
}

/** How cells of a source are read: text, JSON, or values that have a type already. */
type CellReading = (column: ContractColumn, raw: string) => string;

function rowsSql(
  columns: readonly ContractColumn[],
  row: string,
  from: string,
  read: (column: ContractColumn) => string,
  valueOf: CellReading,
): string {
  const names = columns.map((column) => quoteName(column.name));
  const raw = columns.map((column, index) => `${names[index]} := ${read(column)}`).join(", ");
  const typed = columns.map(
    (column, index) => `${valueOf(column, `raw.${names[index]}`)} as ${names[index]}`,
  );
  const said = names.map(
    (name) => `${name} := ${valueOf === jsonValueSql ? `raw.${name} ->> '$'` : `raw.${name}::varchar`}`,
  );
  return `select _row, ${typed.join(", ")}, struct_pack(${said.join(", ")}) as raw
    from (select (${row})::bigint as _row, struct_pack(${raw}) as raw from ${from})`;
}
