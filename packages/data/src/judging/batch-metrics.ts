import { quoteName, quoteText } from "@portolan/expressions";
import type { BatchRule, DataContract } from "../contracts/contract-model.ts";
import { listedSql } from "../rules/rule-sql.ts";

type Columns = DataContract["columns"];

/** One number over the view `accepted`: rows, or percent of the rows when the rule's unit says so. */
export function batchMetricSql(rule: BatchRule, columns: Columns): string {
  const count =
    rule.metric === "sql"
      ? `select * from (${(rule.query ?? "").replaceAll("{table}", "accepted")}\n) as q limit 1`
      : countSql(rule, columns);
  const isShare = rule.metric === "sql" ? rule.answersRows === true : rule.unit === "percent";
  return isShare
    ? `select 100.0 * (${count}) / greatest((select count(*) from accepted), 1) as value`
    : `select (${count})::double as value`;
}

function countSql(rule: BatchRule, columns: Columns): string {
  switch (rule.metric) {
    case "rowCount":
    case "sql":
      return "select count(*) from accepted";
    case "nullValues":
      return countRows(rule.columns.map((name) => `${quoteName(name)} is null`));
    case "missingValues":
      return countRows(
        rule.columns.map((name) => `${quoteName(name)} is null or ${listed(rule, name, columns)}`),
      );
    case "invalidValues":
      return countRows(rule.columns.map((name) => invalidSql(rule, name, columns)));
    case "duplicateValues": {
      const keys = rule.columns.map(quoteName).join(", ");
      return `select coalesce(sum(n - 1), 0) from (select count(*) as n from accepted group by ${keys} having count(*) > 1)`;
    }
  }
}

/** Rows of which any column is concerned. */
function countRows(conditions: readonly string[]): string {
  return `select count(*) from accepted where ${conditions.map((one) => `(${one})`).join(" or ")}`;
}

function listed({ values = [] }: BatchRule, name: string, columns: Columns): string {
  const type = columns.find((column) => column.name === name)?.type ?? "string";
  return `coalesce(${listedSql(quoteName(name), type, values)}, false)`;
}

function invalidSql(rule: BatchRule, name: string, columns: Columns): string {
  const column = quoteName(name);
  const conditions = [
    ...(rule.values ? [`not ${listed(rule, name, columns)}`] : []),
    ...(rule.pattern === undefined ? [] : [`not regexp_matches(${column}, ${quoteText(rule.pattern)})`]),
  ];
  return `${column} is not null and (${conditions.join(" or ")})`;
}

export interface BatchFigures {
  readonly accepted: number;
  readonly quarantined: number;
  readonly deadLetters: number;
  readonly maxEventTime?: number;
  /** Values of the contract's batch rules, in their order. */
  readonly values: readonly number[];
  /** Accepted rows without a counterpart, by the name of the relationship. */
  readonly dangling?: Readonly<Record<string, number>>;
}

export type GateVerdict =
  | { readonly kind: "passed"; readonly warnings: readonly string[] }
  | { readonly kind: "failed"; readonly failures: readonly string[]; readonly warnings: readonly string[] };

/** Whether a batch may be published. Pure; `asOf` is the instant at which its freshness is judged, in epoch microseconds. */
export function judgeBatch(contract: DataContract, figures: BatchFigures, asOf: number): GateVerdict {
  const failures: string[] = [];
  const warnings: string[] = [];
  const total = figures.accepted + figures.quarantined + figures.deadLetters;
  const bad = total - figures.accepted;
  if (total === 0) failures.push("the batch is empty");
  if (total > 0 && bad > contract.maxBadShare * total)
    failures.push(`${bad} of ${total} rows are bad; the contract allows ${contract.maxBadShare * 100} %`);
  const age = figures.maxEventTime === undefined ? undefined : (asOf - figures.maxEventTime) / 1000;
  if (contract.freshnessMs !== undefined && (age === undefined || age > contract.freshnessMs))
    failures.push("the newest event is older than the contract's freshness");
  for (const [index, rule] of contract.batchRules.entries()) {
    const value = figures.values[index] ?? Number.NaN;
    if (!holds(rule, value))
      (rule.advisory ? warnings : failures).push(
        `${rule.name} is ${value}; ${rule.operator} ${rule.limits.join(" and ")}`,
      );
  }
  for (const { name, target, otherwise } of contract.relationships ?? []) {
    const rows = figures.dangling?.[name] ?? 0;
    if (rows > 0)
      (otherwise === "refuse" ? failures : warnings).push(
        `${name}: ${rows} rows have no counterpart in ${target.contract}`,
      );
  }
  return failures.length === 0 ? { kind: "passed", warnings } : { kind: "failed", failures, warnings };
}

function holds(rule: BatchRule, value: number): boolean {
  const [low, high = low] = rule.limits;
  switch (rule.operator) {
    case "mustBe":
      return value === low;
    case "mustNotBe":
      return value !== low && !Number.isNaN(value);
    case "mustBeGreaterThan":
      return value > low;
    case "mustBeGreaterOrEqualTo":
      return value >= low;
    case "mustBeLessThan":
      return value < low;
    case "mustBeLessOrEqualTo":
      return value <= low;
    case "mustBeBetween":
      return value >= low && value <= high;
    case "mustNotBeBetween":
      return value < low || value > high;
  }
}
