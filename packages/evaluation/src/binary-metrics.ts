import {
  accuracy,
  aucInterval,
  brierScore,
  compareAuc,
  logLoss,
  rocAuc,
  type ScoredSet,
  thresholdCounts,
} from "@portolan/numerics";
import type { BinaryMetrics } from "./contract.ts";

/** Everything that a binary classifier's scores on held-out rows tell, at the threshold one half. Pure. */
export function binaryMetrics(
  set: ScoredSet,
  baseline?: { readonly column: string; readonly scores: Float64Array },
): BinaryMetrics {
  const estimate = rocAuc(set);
  const counts = thresholdCounts(set);
  const precision = ratio(counts.truePositives, counts.truePositives + counts.falsePositives);
  const recall = ratio(counts.truePositives, counts.truePositives + counts.falseNegatives);
  const specificity = ratio(counts.trueNegatives, counts.trueNegatives + counts.falsePositives);
  return {
    rows: set.scores.length,
    positives: estimate.positives,
    values: {
      roc_auc: estimate.auc,
      accuracy: accuracy(set),
      balanced_accuracy: (recall + specificity) / 2,
      precision,
      recall,
      f1: ratio(2 * precision * recall, precision + recall),
      brier_score: brierScore(set),
      log_loss: logLoss(set),
    },
    rocAucInterval: aucInterval(estimate),
    ...(baseline ? { baseline: compareToBaseline(set, baseline) } : {}),
  };
}

function compareToBaseline(
  set: ScoredSet,
  baseline: { readonly column: string; readonly scores: Float64Array },
): NonNullable<BinaryMetrics["baseline"]> {
  const naive = { scores: baseline.scores, labels: set.labels };
  const { difference, interval } = compareAuc(set, naive);
  return { column: baseline.column, rocAuc: rocAuc(naive).auc, difference: { value: difference, interval } };
}

/** Zero over zero is 0 here, as in scikit-learn's default: no positive was predicted, so none was right. */
function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
