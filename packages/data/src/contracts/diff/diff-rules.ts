import type { BatchRule, DataContract, NamedRowRule, RangeBound, RowRule } from "../contract-model.ts";
import { breaking, type ContractChange, compatible, same } from "./contract-change.ts";
import { pairRules } from "./pair-rules.ts";

/** Rules that judge rows: one that lets less through breaks deliveries, one that lets more through breaks nobody. */
export function diffRowRules(before: DataContract, after: DataContract): ContractChange[] {
  const had = new Set(before.columns.map(({ name }) => name));
  const has = new Set(after.columns.map(({ name }) => name));
  return pairRules(before.rowRules, after.rowRules, ruleKey).flatMap(({ was, is }) => {
    // Rules of a column that came or went are told by the column itself.
    if (is) return had.has(is.column) ? diffRowRule(was, is) : [];
    return was && has.has(was.column) ? [goneRowRule(was)] : [];
  });
}

function goneRowRule(rule: NamedRowRule): ContractChange {
  const path = `rules.${rule.name}`;
  const sides = { before: said(rule) };
  if (rule.kind === "required" || rule.kind === "nested_required")
    return breaking("consumer", path, "the column may now be null: who reads it may not expect that", sides);
  if (rule.kind === "nested_type")
    return breaking("consumer", path, "the nested value may now be of any type", sides);
  return compatible("consumer", path, "a rule is gone: every row that was good still is", sides);
}

/** Rules of one column and name are usual: a format has two bounds, a quality rule a list and a pattern. */
function ruleKey(rule: NamedRowRule): string {
  const bound = rule.kind === "nested" ? [rule.rule.kind, boundOf(rule.rule)] : boundOf(rule);
  return JSON.stringify([rule.column, rule.name, rule.kind, bound]);
}

function boundOf(rule: RowRule): string {
  return "bound" in rule ? rule.bound : "";
}

/** What a rule says, without its name and column; of a nested value the name says where it lies. */
function said(rule: RowRule): object {
  if (rule.kind === "nested") return said(rule.rule);
  const where = ["name", "column", "path"];
  return Object.fromEntries(Object.entries(rule).filter(([key]) => !where.includes(key)));
}

function diffRowRule(was: NamedRowRule | undefined, is: NamedRowRule): ContractChange[] {
  const path = `rules.${is.name}`;
  if (!was)
    return [
      breaking("producer", path, "a rule is new: rows that break it are kept out", { after: said(is) }),
    ];
  if (same(was, is)) return [];
  const sides = { before: said(was), after: said(is) };
  return [
    letsMore(was, is)
      ? compatible("consumer", path, "it allows more: every row that was good still is", sides)
      : breaking("producer", path, "it allows less, or other: rows that were good are kept out", sides),
  ];
}

const lower: readonly RangeBound[] = ["min", "exclusive_min"];

/** Whether a rule of the same name lets every row through that it did. */
function letsMore(was: RowRule, is: RowRule): boolean {
  if (was.kind === "nested" && is.kind === "nested")
    return same([was.path, was.as], [is.path, is.as]) && letsMore(was.rule, is.rule);
  if (was.kind === "valid_values" && is.kind === "valid_values")
    return was.values.every((value) => is.values.includes(value));
  if (!("bound" in was) || !("bound" in is) || was.kind !== is.kind || was.bound !== is.bound) return false; // Nobody can tell of two patterns which allows less.
  if (is.bound === "multiple_of") return was.limit % is.limit === 0;
  return lower.includes(is.bound) ? is.limit <= was.limit : is.limit >= was.limit;
}

/** Rules that judge batches. */
export function diffBatchRules(before: DataContract, after: DataContract): ContractChange[] {
  return pairRules(before.batchRules, after.batchRules, batchKey).flatMap(({ was, is }) => {
    if (is) return diffBatchRule(was, is);
    return was ? [goneBatchRule(was)] : [];
  });
}

function goneBatchRule(rule: BatchRule): ContractChange {
  const reason = "a demand on batches is gone: who reads them has its promise no more";
  return compatible("consumer", `batch.${rule.name}`, reason, { before: threshold(rule) });
}

/** A figure may have a least and a largest value, as two rules of one name. */
function batchKey({ name, metric, columns, operator }: BatchRule): string {
  return JSON.stringify([name, metric, columns, operator]);
}

function threshold({ operator, limits, unit, answersRows, advisory }: BatchRule): object {
  return {
    operator,
    limits,
    unit,
    ...(answersRows ? { answersRows } : {}),
    ...(advisory ? { advisory } : {}),
  };
}

function diffBatchRule(was: BatchRule | undefined, is: BatchRule): ContractChange[] {
  if (was && same(was, is)) return [];
  const path = `batch.${is.name}`;
  const sides = { ...(was ? { before: threshold(was) } : {}), after: threshold(is) };
  if (is.advisory) return [compatible("consumer", path, "it refuses no batch", sides)];
  if (!was)
    return [breaking("producer", path, "a demand on batches is new: those that miss it are refused", sides)];
  return [
    isLooser(was, is)
      ? compatible("consumer", path, "it demands less: every batch that passed still does", sides)
      : breaking("producer", path, "it demands more, or other: batches that passed may be refused", sides),
  ];
}

/** The same figure against a threshold that every value meets which met the old one. */
function isLooser(was: BatchRule, is: BatchRule): boolean {
  if (was.advisory || !same({ ...was, limits: [] }, { ...is, limits: [] })) return false;
  const [low, high = low] = is.limits;
  const [oldLow, oldHigh = oldLow] = was.limits;
  switch (is.operator) {
    case "mustBeGreaterThan":
    case "mustBeGreaterOrEqualTo":
      return low <= oldLow;
    case "mustBeLessThan":
    case "mustBeLessOrEqualTo":
      return low >= oldLow;
    case "mustBeBetween":
      return low <= oldLow && high >= oldHigh;
    case "mustNotBeBetween":
      return low >= oldLow && high <= oldHigh;
    case "mustBe":
    case "mustNotBe":
      return false;
  }
}
