import {
  aucInterval,
  averagePrecision,
  bcaInterval,
  bootstrapAveragePrecision,
  bootstrapSums,
  compareAuc,
  rocAuc,
  type ScoredSet,
  type ThresholdCounts,
  thresholdCounts,
  wilsonInterval,
} from "@portolan/numerics";
import { calibrationOf } from "./calibration.ts";
import type { BinaryMetrics, MetricInterval } from "./contract.ts";
import { decisionThreshold, metricColumns, summedMetrics, totalOf } from "./metric-sums.ts";

/** Resamples, and what they are drawn of: 2,000 are usual for BCa intervals, and 4,096 groups know a width to about one part in ninety. */
export const bootstrapOptions = { seed: 1, replicates: 1999, mostUnits: 4096 } as const;

/**
 * Everything that a binary classifier's scores on held-out rows tell, at the threshold one half. Pure: the bootstrap's seed is fixed.
 * @throws RangeError for fewer than two rows of a class, and for scores that are no finite numbers
 */
export function binaryMetrics(
  set: ScoredSet,
  baseline?: { readonly column: string; readonly scores: Float64Array },
): BinaryMetrics {
  // An infinite one would rank, and have no squared error.
  if (set.scores.some((score) => !Number.isFinite(score)))
    throw new RangeError("a score is not a finite number");
  const estimate = rocAuc(set);
  const rocAucInterval = aucInterval(estimate);
  const columns = metricColumns(set);
  const sums = columns.map(totalOf);
  const calibration = calibrationOf(set);
  return {
    rows: set.scores.length,
    positives: estimate.positives,
    values: {
      roc_auc: estimate.auc,
      pr_auc: averagePrecision(set).value,
      ...Object.fromEntries(Object.entries(summedMetrics).map(([name, metric]) => [name, metric(sums)])),
    },
    rocAucInterval,
    intervals: {
      roc_auc: { ...rocAucInterval, method: "delong" },
      pr_auc: { ...bcaInterval(bootstrapAveragePrecision(set, bootstrapOptions)), method: "bca" },
      ...shareIntervals(thresholdCounts(set, decisionThreshold)),
      ...bootstrapIntervals(columns),
    },
    bootstrap: { ...bootstrapOptions },
    ...(calibration ? { calibration } : {}),
    ...(baseline ? { baseline: compareToBaseline(set, baseline) } : {}),
  };
}

/** Shares of cases that are counted once. One without cases (no row was predicted positive) has no interval. */
export function shareIntervals(counts: ThresholdCounts): Record<string, MetricInterval> {
  const { truePositives, falsePositives, trueNegatives, falseNegatives } = counts;
  const shares = {
    accuracy: [truePositives + trueNegatives, falsePositives + falseNegatives],
    precision: [truePositives, falsePositives],
    recall: [truePositives, falseNegatives],
  } as const;
  return Object.fromEntries(
    Object.entries(shares).flatMap(([name, [right, wrong]]) =>
      right + wrong === 0
        ? []
        : [[name, { ...wilsonInterval(right, right + wrong), method: "wilson" as const }]],
    ),
  );
}

const bootstrapped = ["balanced_accuracy", "f1", "brier_score", "log_loss"] as const;

function bootstrapIntervals(columns: readonly ArrayLike<number>[]): Record<string, MetricInterval> {
  const statistics = bootstrapped.map((name) => summedMetrics[name]);
  const found = bootstrapSums(
    columns,
    statistics.map((statistic) => (sums) => statistic(sums)),
    bootstrapOptions,
  );
  return Object.fromEntries(
    found.map((distribution, at) => [
      bootstrapped[at] ?? "",
      { ...bcaInterval(distribution), method: "bca" as const },
    ]),
  );
}

function compareToBaseline(
  set: ScoredSet,
  baseline: { readonly column: string; readonly scores: Float64Array },
): NonNullable<BinaryMetrics["baseline"]> {
  const naive = { scores: baseline.scores, labels: set.labels };
  const { second, difference, interval } = compareAuc(set, naive);
  return { column: baseline.column, rocAuc: second, difference: { value: difference, interval } };
}
