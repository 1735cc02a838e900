import { quoteName, quoteText } from "@portolan/expressions";
import type { ContractColumn } from "../contracts/contract-model.ts";
import type { ReadableColumn } from "../values/parse-value.ts";
import { jsonValueSql, textValueSql } from "../values/value-sql.ts";
import type { SourceFile } from "./source-plan.ts";

/**
 * Rows that an earlier ingestion accepted or kept out, to be judged again under another version of the contract. Accepted ones are
 * stored values; of quarantined ones there is what the source said, as text.
 */
export function keptRowsSql(source: SourceFile, row: string, columns: readonly ContractColumn[]): string {
  const before = new Map((source.before ?? []).map((column) => [column.name, column]));
  const cells = columns.map((column) =>
    source.format === "accepted"
      ? storedCell(column, before.get(column.name))
      : quarantinedCell(column, before.get(column.name)),
  );
  const names = columns.map(({ name }) => quoteName(name));
  const values = cells.map(({ value }, index) => `${value} as ${names[index] ?? ""}`);
  const raw = cells.map(({ said }, index) => `${names[index] ?? ""} := ${said}`);
  const from = `read_parquet(${quoteText(source.path)}, file_row_number = true, hive_partitioning = false)`;
  return `select (${row})::bigint as _row, ${values.join(", ")}, struct_pack(${raw.join(", ")}) as raw from ${from}`;
}

interface Cell {
  /** What the source said, as text. */
  readonly said: string;
  readonly value: string;
}

function storedCell(column: ContractColumn, was: ContractColumn | undefined): Cell {
  if (!was) return { said: "null::varchar", value: valueOf(column, "null::varchar") };
  const name = quoteName(column.name);
  const said = storedText(was, name);
  // The same type holds the same value; another reads it anew from what it would have been written as.
  return {
    said,
    value: was.type === column.type && was.scale === column.scale ? name : valueOf(unwritten(column), said),
  };
}

/** A stored value as ISO 8601 and other text that reads back as the same. */
function storedText({ type }: ContractColumn, name: string): string {
  if (type === "instant") return `strftime(make_timestamp(${name}), '%Y-%m-%dT%H:%M:%S.%fZ')`;
  if (type === "local") return `strftime(make_timestamp(${name}), '%Y-%m-%dT%H:%M:%S.%f')`;
  return `${name}::varchar`;
}

function quarantinedCell(column: ContractColumn, was: ContractColumn | undefined): Cell {
  if (!was) return { said: "null::varchar", value: valueOf(column, "null::varchar") };
  const said = `json_extract_string(raw, ${quoteText(`$."${column.name}"`)})`;
  const value = valueOf(column, said);
  if (column.type !== "string" || was.type !== "string") return { said, value };
  // A JSON number that was no text is none now either, though the quarantine has it as one.
  const broken = `list_contains(violations, ${quoteText(`${column.name}.type`)})`;
  return { said, value: `(case when not ${broken} then ${value} end)` };
}

/** Stored values are written as ISO 8601, whatever the source did. */
function unwritten({ type, scale }: ContractColumn): ReadableColumn {
  return { type, ...(scale === undefined ? {} : { scale }) };
}

function valueOf(column: ReadableColumn, text: string): string {
  if (column.type !== "object" && column.type !== "array") return textValueSql(column, text);
  return jsonValueSql(column, `(case when json_valid(${text}) then (${text})::json end)`);
}
