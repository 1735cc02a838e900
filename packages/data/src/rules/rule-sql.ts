import { quoteName, quoteText } from "@portolan/expressions";
import type { ColumnType, NamedRowRule, RangeBound, ValueRule } from "../contracts/contract-model.ts";
import { dateLimitSql, timeLimitSql } from "./limit-sql.ts";
import { nestedSql } from "./nested-sql.ts";

/**
 * SQL that is true for a row that breaks the rule, of the same meaning as `breaks`. Null never breaks any rule but `required`.
 *
 * @param raw what the source said, null where it said nothing: a value of the wrong type is not a missing one.
 */
export function brokenSql(rule: NamedRowRule, type: ColumnType, raw: string): string {
  const column = quoteName(rule.column);
  switch (rule.kind) {
    case "required":
      return `${column} is null and ${raw} is null`;
    case "nested":
      return nestedSql(rule, column, (value) => brokenValueSql(rule.rule, rule.as.type, value));
    case "nested_type":
    case "nested_required":
      return nestedSql(rule, column, () => "false");
    default:
      return brokenValueSql(rule, type, column);
  }
}

/** SQL that is true for a value, an SQL expression of the type, that breaks the rule. */
function brokenValueSql(rule: ValueRule, type: ColumnType, column: string): string {
  switch (rule.kind) {
    case "range":
      return rangeSql(column, type, rule.bound, rule.limit);
    case "length":
      return `length(${column}) ${rule.bound === "min" ? "<" : ">"} ${rule.limit}`;
    case "size":
      return `${type === "array" ? `json_array_length(${column})` : `list_unique(json_keys(${column}))`} ${rule.bound === "min" ? "<" : ">"} ${rule.limit}`;
    case "unique_items":
      return `len(list_distinct(json_extract(${column}, '$[*]')::varchar[])) < json_array_length(${column})`;
    case "member":
      return `not coalesce(list_contains(json_keys(${column}), ${quoteText(rule.member)}), true)`;
    case "pattern":
      return `not regexp_matches(${column}, ${quoteText(rule.pattern)})`;
    case "valid_values":
      return `not ${listedSql(column, type, rule.values)}`;
  }
}

/** Whether a column's value is one of a list; null is null. */
export function listedSql(
  column: string,
  type: ColumnType,
  values: readonly (string | number | boolean)[],
): string {
  if (values.length === 0) return `(${column} is null and null)`;
  return `(${column} in (${values.map((value) => literalSql(type, value)).join(", ")}))`;
}

function literalSql(type: ColumnType, value: string | number | boolean): string {
  if (typeof value === "boolean") return String(value);
  if (type === "date") return dateLimitSql(Number(value));
  if (type === "time") return timeLimitSql(Number(value));
  if (type === "string") return quoteText(String(value));
  return numberSql(Number(value));
}

const symbols = { min: "<", max: ">", exclusive_min: "<=", exclusive_max: ">=" } as const;

function rangeSql(column: string, type: ColumnType, bound: RangeBound, limit: number): string {
  if (bound !== "multiple_of") return `${column} ${symbols[bound]} ${limitSql(type, limit)}`;
  if (type === "integer" && Number.isSafeInteger(limit)) return `${column} % ${limit} <> 0`;
  const quotient = `(${column}::double / ${numberSql(limit)}::double)`;
  return `abs(${quotient} - round(${quotient})) > ${multipleTolerance} * greatest(1, abs(${quotient}))`;
}

/** Decimal fractions are no doubles: 0.3 is a multiple of 0.1 within four units in the last place of the quotient. */
export const multipleTolerance = 2 ** -50;

function limitSql(type: ColumnType, limit: number): string {
  if (type === "date") return dateLimitSql(limit);
  if (type === "time") return timeLimitSql(limit);
  return numberSql(limit);
}

/** Whole numbers are written out, so that 64-bit integers compare exactly; others as text, which is read without a detour by decimals. */
function numberSql(value: number): string {
  return Number.isInteger(value) && Math.abs(value) <= 2 ** 63 ? String(BigInt(value)) : `'${value}'::double`;
}
