import { betterWhen } from "@portolan/charter/contract";
import {
  bcaInterval,
  bootstrapSums,
  type ErrorMetricName,
  errorColumnCount,
  errorColumns,
  errorMetrics,
  type QuantitySet,
} from "@portolan/numerics";
import { bootstrapOptions } from "../binary-metrics.ts";
import type { MetricInterval, RowMetrics } from "../contract.ts";
import { totalOf } from "../metric-sums.ts";

/** Errors of quantities, by the charter's names. */
export const errorMetricNames = Object.keys(errorMetrics) as readonly string[] as readonly ErrorMetricName[];

export function isErrorMetric(name: string): name is ErrorMetricName {
  return Object.hasOwn(errorMetrics, name);
}

/** A naive score beside the model's. */
export interface QuantityBaseline {
  readonly column: string;
  readonly scores: Float64Array;
}

/**
 * Everything that a regression's answers on held-out rows tell. Pure: the bootstrap's seed is fixed.
 * @param metric by which the model is held against the baseline
 * @throws RangeError for fewer than two rows, or answers and labels that are no finite numbers
 */
export function quantityMetrics(
  set: QuantitySet,
  metric: ErrorMetricName,
  baseline?: QuantityBaseline,
): RowMetrics {
  const columns = errorColumns(set);
  return {
    rows: set.scores.length,
    values: errorValues(columns),
    intervals: errorIntervals(columns),
    bootstrap: { ...bootstrapOptions },
    ...(baseline ? { baseline: besideBaseline(set, metric, baseline) } : {}),
  };
}

/** Each error over all rows of `errorColumns`. Pure. */
export function errorValues(columns: readonly ArrayLike<number>[]): Record<string, number> {
  const sums = columns.map(totalOf);
  return Object.fromEntries(errorMetricNames.map((name) => [name, errorMetrics[name](sums)]));
}

function errorIntervals(columns: readonly ArrayLike<number>[]): Record<string, MetricInterval> {
  const found = bootstrapSums(
    columns,
    errorMetricNames.map((name) => (sums) => errorMetrics[name](sums)),
    bootstrapOptions,
  );
  return Object.fromEntries(
    found.map((distribution, at) => [
      errorMetricNames[at] ?? "",
      { ...bcaInterval(distribution), method: "bca" as const },
    ]),
  );
}

/** How much better one set of answers is than another on the same rows: positive also of errors, which are better when lower. Pure. */
export function errorAdvantage(ours: QuantitySet, theirs: QuantitySet, metric: ErrorMetricName) {
  const columns = [...errorColumns(ours), ...errorColumns(theirs)];
  const sign = betterWhen(metric) === "higher" ? 1 : -1;
  const value = errorMetrics[metric];
  const advantage = (sums: ArrayLike<number>) => sign * (value(sums) - value(sums, errorColumnCount));
  return { columns, advantage, value };
}

function besideBaseline(
  set: QuantitySet,
  metric: ErrorMetricName,
  { column, scores }: QuantityBaseline,
): NonNullable<RowMetrics["baseline"]> {
  const naive = { scores, labels: set.labels };
  const { columns, advantage, value } = errorAdvantage(set, naive, metric);
  const [distribution] = bootstrapSums(columns, [advantage], bootstrapOptions);
  if (!distribution) throw new RangeError("the bootstrap gave nothing");
  return {
    column,
    metric,
    value: value(columns.map(totalOf), errorColumnCount),
    difference: { value: distribution.estimate, interval: bcaInterval(distribution) },
  };
}
