import { type MetricName, metrics } from "./metrics.ts";

/** What is measured of classifiers of two classes. */
export const binaryMetrics = [
  "roc_auc",
  "pr_auc",
  "accuracy",
  "balanced_accuracy",
  "precision",
  "recall",
  "f1",
  "brier_score",
  "log_loss",
] as const satisfies readonly MetricName[];

/** What is measured of classifiers of several classes. */
export const multiclassMetrics = [
  "accuracy",
  "balanced_accuracy",
  "macro_f1",
  "log_loss",
  "brier_score",
] as const satisfies readonly MetricName[];

/** What is measured of rankings. */
export const rankingMetrics = ["ndcg_at_10"] as const satisfies readonly MetricName[];

/** What is measured of regressions. */
export const regressionMetrics = ["rmse", "mae", "r2"] as const satisfies readonly MetricName[];

/** Metrics that two versions are compared by on the same rows. */
export const comparedMetrics = [
  ...binaryMetrics,
  "macro_f1",
  ...regressionMetrics,
  ...rankingMetrics,
] as const satisfies readonly MetricName[];
export type ComparedMetric = (typeof comparedMetrics)[number];

/** Whether the metric lies between 0 and 1, or is as log loss in whose unit 1 is much. */
export function isOfUnit(metric: ComparedMetric): boolean {
  return metric === "log_loss" || (metrics[metric].least === 0 && metrics[metric].most === 1);
}

export function isCompared(name: string): name is ComparedMetric {
  return comparedMetrics.some((metric) => metric === name);
}

/** `higher`: more is better. Pure. */
export function betterWhen(metric: ComparedMetric): "higher" | "lower" {
  return metrics[metric].better;
}
