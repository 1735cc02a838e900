import { type KpiDefinition, type KpiTerms, parseKpi } from "@portolan/charter/contract";
import { type Expression, evaluate, type Row, type Value } from "@portolan/expressions";
import { bcaInterval, bootstrapSums, type ScoredSet } from "@portolan/numerics";
import { bootstrapOptions } from "../binary-metrics.ts";
import { decisionThreshold, metricColumns } from "../metric-sums.ts";
import type { SliceValues } from "../slices/slice-values.ts";
import type { KpiValue } from "./contract.ts";

/**
 * What decisions at one half on these rows are worth, by each KPI's own expressions, with a bias-corrected and accelerated bootstrap's interval. Pure:
 * the seed is fixed. A KPI that has no value on some row says so and has none: nothing is assumed.
 * @param values columns of the rows; those that the rows do not have are absent
 */
export function measureKpis(
  set: ScoredSet,
  values: readonly SliceValues[],
  kpis: readonly KpiTerms[],
): KpiValue[] {
  return kpis.map((kpi) => {
    const { name, unit, columns, sums, value } = kpi;
    const stated = {
      name,
      ...(unit === undefined ? {} : { unit }),
      definition: { columns: { ...columns }, sums: { ...sums }, value },
    };
    const problem = Object.entries(columns).flatMap(([column, type]) => columnProblem(values, column, type));
    if (problem.length > 0) return { ...stated, problem: problem.join("; ") };
    return { ...stated, ...measureKpi(set, values, kpi) };
  });
}

function columnProblem(values: readonly SliceValues[], column: string, type: "number" | "text"): string[] {
  const found = values.find((one) => one.column === column);
  if (!found) return [`the rows have no column ${column}`];
  if (found.kind === "unfit") return [`${column}: ${found.reason}`];
  const kind = found.kind === "numbers" ? "number" : "text";
  return kind === type ? [] : [`${column} is ${kind}, and the KPI takes it as ${type}`];
}

/** Of a row's columns, its value or null. */
type Reader = (row: number) => Value;

function measureKpi(
  set: ScoredSet,
  values: readonly SliceValues[],
  kpi: KpiDefinition,
): Pick<KpiValue, "sums" | "value" | "interval" | "problem"> {
  const parsed = parseKpi(kpi);
  const readers = Object.keys(kpi.columns).map((column) => [column, readerOf(values, column)] as const);
  const added = parsed.sums.map(({ name, expression }) => ({ name, ...addends(set, readers, expression) }));
  const absent = added.find((one) => one.absent > 0);
  if (absent)
    return {
      problem: `${absent.name} has no value on ${absent.absent} of ${set.scores.length} rows: say what they count, e.g. with coalesce`,
    };
  const columns = [...metricColumns(set).slice(0, 4), ...added.map(({ column }) => column)];
  const names = added.map(({ name }) => name);
  let missed = 0;
  const statistic = (sums: ArrayLike<number>): number => {
    const value = numberOf(evaluate(parsed.value, rowOfSums(sums, names)));
    if (value === undefined) missed += 1;
    return value ?? 0;
  };
  const total = columns.map((column) => Array.from(column).reduce((sum, value) => sum + value, 0));
  const sums = Object.fromEntries(names.map((name, at) => [name, total[at + 4] ?? 0]));
  if (numberOf(evaluate(parsed.value, rowOfSums(total, names))) === undefined)
    return { sums, problem: "the expression has no value on these sums, e.g. because it divides by zero" };
  const [distribution] = bootstrapSums(columns, [statistic], bootstrapOptions);
  const value = distribution?.estimate ?? 0;
  if (!distribution || missed > 0)
    return {
      sums,
      value,
      problem: `the expression has no value on ${missed} resamples, so there is no interval`,
    };
  return { sums, value, interval: { ...bcaInterval(distribution), method: "bca" } };
}

function readerOf(values: readonly SliceValues[], column: string): Reader {
  const found = values.find((one) => one.column === column);
  if (found?.kind === "numbers") return (row) => found.values[row] ?? null;
  if (found?.kind === "texts") return (row) => found.texts[found.codes[row] ?? 0] ?? null;
  return () => null;
}

/** What each row adds, and on how many rows the expression has no value. */
function addends(
  { scores, labels }: ScoredSet,
  readers: readonly (readonly [string, Reader])[],
  expression: Expression,
): { readonly column: Float64Array; readonly absent: number } {
  const column = new Float64Array(scores.length);
  let absent = 0;
  for (const [at, score] of scores.entries()) {
    const row: Row = {
      ...Object.fromEntries(readers.map(([name, read]) => [name, read(at)])),
      score,
      decided: score >= decisionThreshold,
      actual: labels[at] === 1,
    };
    const value = numberOf(evaluate(expression, row));
    if (value === undefined) absent += 1;
    else column[at] = value;
  }
  return { column, absent };
}

/** Sums of `metricColumns`' four counts, then of the KPI's own. */
function rowOfSums(sums: ArrayLike<number>, names: readonly string[]): Row {
  const [truePositives = 0, falsePositives = 0, trueNegatives = 0, falseNegatives = 0] = Array.from(sums);
  return {
    rows: truePositives + falsePositives + trueNegatives + falseNegatives,
    positives: truePositives + falseNegatives,
    true_positives: truePositives,
    false_positives: falsePositives,
    true_negatives: trueNegatives,
    false_negatives: falseNegatives,
    ...Object.fromEntries(names.map((name, at) => [name, sums[at + 4] ?? 0])),
  };
}

function numberOf(value: Value): number | undefined {
  if (typeof value === "bigint") return Number(value);
  return typeof value === "number" ? value : undefined;
}
