import { quoteName, quoteText } from "@portolan/expressions";
import type { ContractColumn } from "./contract-model.ts";

export const sourceFormats = ["parquet", "csv", "jsonl"] as const;
export type SourceFormat = (typeof sourceFormats)[number];

export interface SourceFile {
  readonly path: string;
  readonly format: SourceFormat;
}

/** Rows of one file lie this far apart from the next file's, so that `_row` names a row of the batch for good. */
const rowsPerFile = 2 ** 40;

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
  const path = quoteText(source.path);
  const file = quoteText(source.path.split("/").at(-1) ?? "");
  if (source.format === "parquet") {
    const from = `read_parquet(${path}, file_row_number = true, hive_partitioning = false)`;
    return {
      rows: rowsSql(columns, `${base} + file_row_number`, (column) => quoteName(column.source), from),
    };
  }
  if (source.format === "csv") {
    const from = `read_csv(${path}, hive_partitioning = false, delim = ',', quote = '"', escape = '"', header = true, all_varchar = true, store_rejects = true, rejects_limit = 0, parallel = false, rejects_table = 'rejects_${index}', rejects_scan = 'rejects_scan_${index}')`;
    return {
      rows: rowsSql(columns, `${base} + row_number() over ()`, (column) => quoteName(column.source), from),
      deadLetters: `select ${file}, line, first(error_message order by error_message), first(csv_line order by error_message) from rejects_${index} group by line`,
    };
  }
  const lines = `(select row_number() over () as n, line from read_csv(${path}, header = false, columns = {'line': 'varchar'}, delim = '\\x01', quote = '', escape = '', parallel = false))`;
  const object = "(case when json_valid(line) then json_type(line) = 'OBJECT' else false end)";
  return {
    rows: rowsSql(
      columns,
      `${base} + n`,
      (column) =>
        `json_extract_string(case when json_valid(line) then line end, ${quoteText(`$."${column.source}"`)})`,
      `${lines} where ${object}`,
    ),
    deadLetters: `select ${file}, n, 'not a JSON object', line[:2000] from ${lines} where not ${object}`,
  };
}

function rowsSql(
  columns: readonly ContractColumn[],
  row: string,
  read: (column: ContractColumn) => string,
  from: string,
): string {
  const names = columns.map((column) => quoteName(column.name));
  const raw = columns.map((column, index) => `${names[index]} := ${read(column)}`).join(", ");
  const typed = columns.map(
    (column, index) => `${parseSql(column, `raw.${names[index]}`)} as ${names[index]}`,
  );
  return `select _row, ${typed.join(", ")}, struct_pack(${columns
    .map((_, index) => `${names[index]} := raw.${names[index]}::varchar`)
    .join(", ")}) as raw from (select (${row})::bigint as _row, struct_pack(${raw}) as raw from ${from})`;
}

/** Null when the value does not parse as the column's type: docs/spec/data-contracts.md D7. */
function parseSql(column: ContractColumn, raw: string): string {
  switch (column.type) {
    case "string":
      return `try_cast(${raw} as varchar)`;
    case "boolean":
      return `try_cast(${raw} as boolean)`;
    case "number":
      return `(case when isfinite(try_cast(${raw} as double)) then try_cast(${raw} as double) end)`;
    case "integer":
      // A cast alone would round 1.5 to 2.
      return `(case when try_cast(${raw} as double) = try_cast(${raw} as bigint)::double then try_cast(${raw} as bigint) end)`;
    case "local":
      return `epoch_us(try_cast(${raw} as timestamp))`;
    case "instant":
      return column.defaultTimeZone && column.defaultTimeZone !== "UTC"
        ? `epoch_us(timezone(${quoteText(column.defaultTimeZone)}, try_cast(${raw} as timestamp)))`
        : `epoch_us(try_cast(${raw} as timestamptz))`;
  }
}
