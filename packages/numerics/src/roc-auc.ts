import { normalQuantile } from "./normal.ts";

/** One evaluated row: the model's score and what really happened. */
export interface ScoredSet {
  readonly scores: Float64Array;
  /** 1 = positive, 0 = negative; same length as `scores`. */
  readonly labels: Uint8Array;
}

export interface AucEstimate {
  /** Area under the ROC curve, ties counted half; equals scikit-learn's `roc_auc_score`. */
  readonly auc: number;
  /** Variance by DeLong, DeLong and Clarke-Pearson (1988). */
  readonly variance: number;
  readonly positives: number;
  readonly negatives: number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Coverage, e.g. 0.95. */
  readonly level: number;
}

/**
 * AUC and its DeLong variance in O(n log n) by midranks (Sun and Xu 2014, IEEE SPL 21(11)).
 *
 * @throws RangeError when a class is missing, a score is NaN or the lengths differ: an AUC would be made up.
 */
export function rocAuc(set: ScoredSet): AucEstimate {
  const { positives, negatives } = structuralComponents(set);
  const auc = mean(positives);
  const variance =
    sampleVariance(positives, auc) / positives.length +
    sampleVariance(negatives, mean(negatives)) / negatives.length;
  return { auc, variance, positives: positives.length, negatives: negatives.length };
}

/** Normal-theory interval on the AUC, cut at 0 and 1. */
export function aucInterval(estimate: AucEstimate, level = 0.95): Interval {
  const half = normalQuantile(0.5 + level / 2) * Math.sqrt(estimate.variance);
  return { low: Math.max(0, estimate.auc - half), high: Math.min(1, estimate.auc + half), level };
}

export interface AucDifference {
  /** AUC of each, as `rocAuc` gives it. */
  readonly first: number;
  readonly second: number;
  /** AUC of the first model minus AUC of the second, on the same rows. */
  readonly difference: number;
  readonly standardError: number;
  readonly interval: Interval;
}

/** Paired DeLong comparison of two models that scored the same rows. */
export function compareAuc(first: ScoredSet, second: ScoredSet, level = 0.95): AucDifference {
  if (
    first.labels.length !== second.labels.length ||
    first.labels.some((label, i) => label !== second.labels[i])
  ) {
    throw new RangeError("a paired comparison needs the same rows in the same order");
  }
  const a = structuralComponents(first);
  const b = structuralComponents(second);
  const positives = a.positives.map((value, i) => value - (b.positives[i] ?? 0));
  const negatives = a.negatives.map((value, i) => value - (b.negatives[i] ?? 0));
  const difference = mean(positives);
  const variance =
    sampleVariance(positives, difference) / positives.length +
    sampleVariance(negatives, mean(negatives)) / negatives.length;
  const standardError = Math.sqrt(variance);
  const half = normalQuantile(0.5 + level / 2) * standardError;
  const interval = { low: difference - half, high: difference + half, level };
  return { first: mean(a.positives), second: mean(b.positives), difference, standardError, interval };
}

/** Per positive: share of negatives below it; per negative: share of positives above it (ties count half). */
function structuralComponents(set: ScoredSet): { positives: Float64Array; negatives: Float64Array } {
  const { scores, labels } = set;
  if (scores.length !== labels.length) throw new RangeError("scores and labels differ in length");
  const positive = scores.filter((_, i) => labels[i] === 1);
  const negative = scores.filter((_, i) => labels[i] === 0);
  if (positive.length + negative.length !== scores.length) throw new RangeError("labels must be 0 or 1");
  if (positive.length < 2 || negative.length < 2)
    throw new RangeError("an AUC needs at least two rows of each class");
  if (scores.some(Number.isNaN)) throw new RangeError("a score is not a number");
  const all = midranks(concatenate(positive, negative));
  const within = { positive: midranks(positive), negative: midranks(negative) };
  const m = positive.length;
  const n = negative.length;
  return {
    positives: positive.map((_, i) => (at(all, i) - at(within.positive, i)) / n),
    negatives: negative.map((_, j) => 1 - (at(all, m + j) - at(within.negative, j)) / m),
  };
}

/** 1-based ranks; equal values share the mean of their ranks. */
export function midranks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((a, b) => at(values, a) - at(values, b));
  const ranks = new Float64Array(values.length);
  let start = 0;
  while (start < order.length) {
    let end = start + 1;
    while (end < order.length && at(values, at(order, end)) === at(values, at(order, start))) end++;
    for (let i = start; i < end; i++) ranks[at(order, i)] = (start + end + 1) / 2;
    start = end;
  }
  return ranks;
}

function concatenate(a: Float64Array, b: Float64Array): Float64Array {
  const joined = new Float64Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function sampleVariance(values: Float64Array, center: number): number {
  let sum = 0;
  for (const value of values) sum += (value - center) ** 2;
  return sum / (values.length - 1);
}

function at(values: Float64Array | Uint32Array, index: number): number {
  return values[index] ?? Number.NaN;
}
