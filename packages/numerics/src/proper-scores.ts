import type { ScoredSet } from "./roc-auc.ts";

/** Squared error of each row's probability. */
export function squaredErrors({ scores, labels }: ScoredSet): Float64Array {
  return scores.map((score, row) => (score - (labels[row] ?? 0)) ** 2);
}

/** Mean squared error of probabilities (Brier 1950); equals scikit-learn's `brier_score_loss`. */
export function brierScore(set: ScoredSet): number {
  return total(squaredErrors(set)) / set.scores.length;
}

/** Share of rows on the right side of the threshold; equals scikit-learn's `accuracy_score`. */
export function accuracy(set: ScoredSet, threshold = 0.5): number {
  let right = 0;
  set.scores.forEach((score, i) => {
    if (score >= threshold === (set.labels[i] === 1)) right++;
  });
  return right / set.scores.length;
}

/** Negative log-likelihood of each row; probabilities are kept 2^-52 away from 0 and 1, as scikit-learn's `log_loss` does. */
export function logLosses({ scores, labels }: ScoredSet): Float64Array {
  return scores.map((score, row) => {
    const p = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, score));
    return labels[row] === 1 ? -Math.log(p) : -Math.log1p(-p);
  });
}

/** Mean negative log-likelihood; equals scikit-learn's `log_loss`. */
export function logLoss(set: ScoredSet): number {
  return total(logLosses(set)) / set.scores.length;
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

export interface ThresholdCounts {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
}

/** The confusion matrix at a threshold; a score equal to it counts as positive. */
export function thresholdCounts(set: ScoredSet, threshold = 0.5): ThresholdCounts {
  const counts = { truePositives: 0, falsePositives: 0, trueNegatives: 0, falseNegatives: 0 };
  set.scores.forEach((score, i) => {
    const positive = set.labels[i] === 1;
    if (score >= threshold) counts[positive ? "truePositives" : "falsePositives"]++;
    else counts[positive ? "falseNegatives" : "trueNegatives"]++;
  });
  return counts;
}
