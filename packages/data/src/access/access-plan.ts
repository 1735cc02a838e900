import { type ColumnTypes, parseExpression, quoteName, quoteText, toDuckDbSql } from "@portolan/expressions";
import { isPortolanError, PortolanError } from "@portolan/kernel";
import type { AnalysisStatement } from "../analysis.ts";
import { hmacSql } from "../deidentify/columns-sql.ts";
import type { DataErrorCode } from "../errors.ts";
import type { Mask } from "./access-policy.ts";
import type { AccessDecision } from "./decide-access.ts";

export type Allowed = Extract<AccessDecision, { kind: "allowed" }>;

/** Blocks of HMAC keys in hexadecimal (RFC 2104). */
export interface MaskKeys {
  /** Of the purpose: the same value of a column has the same pseudonym at every read. */
  readonly pseudonym: { readonly inner: string; readonly outer: string };
  /** Made for one read. */
  readonly hash: { readonly inner: string; readonly outer: string };
}

/**
 * The relation that a reader sees in place of the dataset: filtered, then masked, then without small groups; its rows are made before any
 * question is asked of them, so that no clever question meets what lies below. Columns that are hidden are not in it.
 *
 * @param source relation of the dataset's rows
 * @param types of all of the dataset's columns, as expressions see them
 * @param beside columns of the relation that are no values of the contract, such as row numbers: they stay as they are
 * @throws PortolanError `data.access_policy_unfit` when a policy names what the dataset has not: then nothing is read
 */
export function visibleRelation(
  decision: Allowed,
  source: string,
  types: ColumnTypes,
  keys: MaskKeys,
  beside: readonly string[] = [],
): AnalysisStatement {
  const filters = decision.rowFilters.map(({ expression, by }) => filterSql(expression, by, types));
  const columns = decision.columns.map(({ name, type, mask }) => {
    const own = quoteName(name);
    return mask ? `${maskSql(name, type, mask.with)} as ${own}` : own;
  });
  const where = filters.length === 0 ? "" : ` where ${filters.join(" and ")}`;
  const selected = `select ${[...beside.map(quoteName), ...columns].join(", ")} from ${source}${where}`;
  const usesKeys = decision.columns.some(({ mask }) => mask?.with === "hash" || mask?.with === "pseudonym");
  return {
    sql: `create table visible as ${withoutSmallGroups(selected, decision)}`,
    ...(usesKeys
      ? {
          params: {
            ...(decision.columns.some(({ mask }) => mask?.with === "pseudonym")
              ? { inner: keys.pseudonym.inner, outer: keys.pseudonym.outer }
              : {}),
            ...(decision.columns.some(({ mask }) => mask?.with === "hash")
              ? { hash_inner: keys.hash.inner, hash_outer: keys.hash.outer }
              : {}),
          },
        }
      : {}),
    note: "reading what the policies allow",
  };
}

function filterSql(text: string, by: string, types: ColumnTypes): string {
  try {
    const expression = parseExpression(text, types);
    if (expression.type !== "bool") throw unfit(by, `its row filter is ${expression.type}, not a condition`);
    // A row of which it is not known whether it may be read is not read.
    return `coalesce((${toDuckDbSql(expression)}), false)`;
  } catch (error) {
    if (isPortolanError(error) && error.code !== "data.access_policy_unfit")
      throw unfit(by, `its row filter does not fit: ${error.detail ?? error.code}`);
    throw error;
  }
}

/** Groups are of what the reader sees: who shares a masked value shares the group. A column that is hidden or not there tells nobody apart. */
function withoutSmallGroups(selected: string, { minGroup, columns }: Allowed): string {
  if (!minGroup || minGroup.rows <= 1) return selected;
  const shown = new Set(columns.map(({ name }) => name));
  const over = minGroup.over.filter((name) => shown.has(name)).map(quoteName);
  const partition = over.length === 0 ? "" : `partition by ${over.join(", ")}`;
  return `select * from (${selected}) qualify count(*) over (${partition}) >= ${minGroup.rows}`;
}

function maskSql(name: string, type: string, mask: Mask): string {
  const own = quoteName(name);
  switch (mask) {
    case "null":
      return "null::varchar";
    case "hash":
      return `'h' || left(${hmacSql(name, own, { inner: "$hash_inner", outer: "$hash_outer" })}, 32)`;
    case "pseudonym":
      return `'p' || left(${hmacSql(name, own)}, 32)`;
    case "partial":
      // Of what is no longer than what may stay, nothing does.
      return `case when length(${own}) > 4 then repeat('*', length(${own}) - 4) || right(${own}, 4) else repeat('*', length(${own})) end`;
    case "year":
      return type === "date" ? `year(${own})` : `year(make_timestamp(${own}))`;
  }
}

function unfit(policy: string, detail: string): PortolanError<DataErrorCode> {
  return new PortolanError("data.access_policy_unfit", {
    detail: `the policy ${policy} cannot be applied: ${detail}`,
    mend: "Mend the policy. Until then nothing that it applies to is read.",
  });
}

/** The visible rows as the one file that a question is asked of. */
export function writeVisible(output: string): AnalysisStatement {
  return { sql: `copy (select * from visible) to ${quoteText(output)} (format parquet)` };
}
