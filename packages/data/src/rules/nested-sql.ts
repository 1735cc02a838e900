import { quoteText } from "@portolan/expressions";
import type { NamedRowRule, NestedRule, NestedStep } from "../contracts/contract-model.ts";
import { jsonValueSql } from "../values/value-sql.ts";

/** Names of lambda parameters; no column of a contract begins like that. */
const [cell, found] = ["_cell", "_found"];

/**
 * SQL of `nestedCheck`: true for a row in which some value that the path leads to breaks the rule.
 *
 * @param inner SQL of what the rule's own rule says of one value, which is an SQL expression
 */
export function nestedSql(
  rule: NamedRowRule & NestedRule,
  column: string,
  inner: (value: string) => string,
): string {
  const any = (list: string, name: string, broken: string): string =>
    `len(list_filter(${list}, lambda ${name}: coalesce(${broken}, false))) > 0`;
  if (rule.kind === "nested_required") return any(...lacking(rule, column));
  const reached = reachedSql(column, rule.path);
  const value = jsonValueSql(rule.as, cell);
  return rule.kind === "nested_type"
    ? any(reached, cell, `json_type(${cell}) <> 'NULL' and ${value} is null`)
    : any(`list_transform(${reached}, lambda ${cell}: ${value})`, found, inner(found));
}

/** Objects without the member, or items that are null. */
function lacking({ path }: NestedRule, column: string): [list: string, name: string, broken: string] {
  const last = path.at(-1);
  const isNull = (json: string): string => `coalesce(json_type(${json}), 'NULL') = 'NULL'`;
  if (last === undefined || "items" in last) return [reachedSql(column, path), cell, isNull(cell)];
  const member = `json_extract(${cell}, ${memberPath(last.member)})`;
  return [reachedSql(column, path.slice(0, -1)), cell, `json_type(${cell}) = 'OBJECT' and ${isNull(member)}`];
}

/** A list of JSON values; null stands for what is not there. */
function reachedSql(column: string, path: readonly NestedStep[]): string {
  return path.reduce(
    (list, step) =>
      "items" in step
        ? `flatten(list_transform(${list}, lambda ${cell}: case when json_type(${cell}) = 'ARRAY' then json_extract(${cell}, '$[*]') else []::json[] end))`
        : `list_transform(${list}, lambda ${cell}: json_extract(${cell}, ${memberPath(step.member)}))`,
    `[${column}]`,
  );
}

/** Names of members hold no quotes and no backslashes (`nested-columns`). */
function memberPath(member: string): string {
  return quoteText(`$."${member}"`);
}
