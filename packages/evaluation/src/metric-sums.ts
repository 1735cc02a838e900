import { logLosses, type ScoredSet, squaredErrors } from "@portolan/numerics";

/** A score from here on is a decision for the positive class. */
export const decisionThreshold = 0.5;

/** Columns of `metricColumns`, in their order. */
export const metricColumnCount = 6;

/** What each row adds to the sums that metrics are made of: true and false positives, true and false negatives, squared error, log loss. Pure. */
export function metricColumns(set: ScoredSet): ArrayLike<number>[] {
  const { scores, labels } = set;
  const outcomes = Array.from({ length: 4 }, () => new Uint8Array(scores.length));
  scores.forEach((score, row) => {
    const isPositive = score >= decisionThreshold;
    const place = isPositive ? (labels[row] === 1 ? 0 : 1) : labels[row] === 1 ? 3 : 2;
    const column = outcomes[place];
    if (column) column[row] = 1;
  });
  return [...outcomes, squaredErrors(set), logLosses(set)];
}

/** Sums of all rows' columns. Pure. */
export function sumsOf(set: ScoredSet): number[] {
  return metricColumns(set).map(totalOf);
}

/** Sum of a column. */
export function totalOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let row = 0; row < values.length; row++) sum += values[row] ?? 0;
  return sum;
}

/** Sums over rows, and at which of them a model's columns begin. */
export type SummedMetric = (sums: ArrayLike<number>, from?: number) => number;

/** Metrics that follow from the sums of `metricColumns`, by the charter's names; equal to scikit-learn's, with 0 for zero over zero. */
export const summedMetrics = {
  accuracy: (sums, from = 0) => {
    const { right, rows } = counts(sums, from);
    return ratio(right, rows);
  },
  balanced_accuracy: (sums, from = 0) => {
    const { recall, specificity } = counts(sums, from);
    return (recall + specificity) / 2;
  },
  precision: (sums, from = 0) => counts(sums, from).precision,
  recall: (sums, from = 0) => counts(sums, from).recall,
  f1: (sums, from = 0) => {
    const { precision, recall } = counts(sums, from);
    return ratio(2 * precision * recall, precision + recall);
  },
  brier_score: (sums, from = 0) => ratio(sums[from + 4] ?? 0, counts(sums, from).rows),
  log_loss: (sums, from = 0) => ratio(sums[from + 5] ?? 0, counts(sums, from).rows),
} as const satisfies Record<string, SummedMetric>;
export type SummedMetricName = keyof typeof summedMetrics;

export function isSummedMetric(name: string): name is SummedMetricName {
  return Object.hasOwn(summedMetrics, name);
}

function counts(sums: ArrayLike<number>, from: number) {
  const [truePositives, falsePositives] = [sums[from] ?? 0, sums[from + 1] ?? 0];
  const [trueNegatives, falseNegatives] = [sums[from + 2] ?? 0, sums[from + 3] ?? 0];
  return {
    rows: truePositives + falsePositives + trueNegatives + falseNegatives,
    right: truePositives + trueNegatives,
    precision: ratio(truePositives, truePositives + falsePositives),
    recall: ratio(truePositives, truePositives + falseNegatives),
    specificity: ratio(trueNegatives, trueNegatives + falsePositives),
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
