import type { ScoredSet } from "./roc-auc.ts";

/** Mean squared error of probabilities (Brier 1950); equals scikit-learn's `brier_score_loss`. */
export function brierScore(set: ScoredSet): number {
  let sum = 0;
  set.scores.forEach((score, i) => {
    sum += (score - (set.labels[i] ?? 0)) ** 2;
  });
  return sum / set.scores.length;
}

/** Share of rows on the right side of the threshold; equals scikit-learn's `accuracy_score`. */
export function accuracy(set: ScoredSet, threshold = 0.5): number {
  let right = 0;
  set.scores.forEach((score, i) => {
    if (score >= threshold === (set.labels[i] === 1)) right++;
  });
  return right / set.scores.length;
}
