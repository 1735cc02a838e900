import { quoteName, quoteText } from "@portolan/expressions";
import type { BatchRule, DataContract } from "./contract-model.ts";

/** One number over the view `accepted`: rows, or percent of the rows when the rule's unit says so. */
export function batchMetricSql(rule: BatchRule): string {
  if (rule.metric === "sql") {
    return `select (select * from (${(rule.query ?? "").replaceAll("{table}", "accepted")}\n) as q limit 1)::double as value`;
  }
  const count = countSql(rule);
  return rule.unit === "percent"
    ? `select 100.0 * (${count}) / greatest((select count(*) from accepted), 1) as value`
    : `select (${count})::double as value`;
}

function countSql(rule: BatchRule): string {
  const [column = ""] = rule.columns;
  const name = quoteName(column);
  const values = (rule.values ?? []).map((value) => quoteText(String(value))).join(", ");
  switch (rule.metric) {
    case "rowCount":
    case "sql":
      return "select count(*) from accepted";
    case "nullValues":
      return `select count(*) from accepted where ${name} is null`;
    case "missingValues":
      return `select count(*) from accepted where ${name} is null${values ? ` or ${name}::varchar in (${values})` : ""}`;
    case "invalidValues": {
      const invalid = [
        ...(values ? [`${name}::varchar not in (${values})`] : []),
        ...(rule.pattern === undefined
          ? []
          : [`not regexp_matches(${name}::varchar, ${quoteText(rule.pattern)})`]),
      ];
      return `select count(*) from accepted where ${invalid.length > 0 ? invalid.join(" or ") : "false"}`;
    }
    case "duplicateValues": {
      const keys = rule.columns.map(quoteName).join(", ");
      return `select coalesce(sum(n - 1), 0) from (select count(*) as n from accepted group by ${keys} having count(*) > 1)`;
    }
  }
}

export interface BatchFigures {
  readonly accepted: number;
  readonly quarantined: number;
  readonly deadLetters: number;
  readonly maxEventTime?: number;
  /** Values of the contract's batch rules, in their order. */
  readonly values: readonly number[];
}

export type GateVerdict =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly failures: readonly string[] };

/** Whether a batch may be published. Pure; `asOf` is the instant at which its freshness is judged, in epoch microseconds. */
export function judgeBatch(contract: DataContract, figures: BatchFigures, asOf: number): GateVerdict {
  const failures: string[] = [];
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
      failures.push(`${rule.name} is ${value}; ${rule.operator} ${rule.limits.join(" and ")}`);
  }
  return failures.length === 0 ? { kind: "passed" } : { kind: "failed", failures };
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
