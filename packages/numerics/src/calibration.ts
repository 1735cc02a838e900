import { normalQuantile } from "./normal.ts";
import { quantile } from "./quantile.ts";
import type { Interval, ScoredSet } from "./roc-auc.ts";
import { wilsonInterval } from "./wilson.ts";

/** `uniform`: bins of one width; `quantile`: bins of as many rows each, where scores do not tie. */
export type ReliabilityBinning = "uniform" | "quantile";

/** Rows whose scores are near each other: what was predicted of them, and what happened. */
export interface ReliabilityBin {
  /** Scores above this one, up to `to`; the lowest bin has its lower end too. */
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly meanScore: number;
  /** Share of the rows that are positive. */
  readonly positiveShare: number;
  /** Wilson's, of the share. */
  readonly interval: Interval;
}

/**
 * Reliability of probabilities by bins; the points equal scikit-learn's `calibration_curve(strategy=…)`. Bins without rows are left out.
 *
 * @param count of bins, at least 1
 * @throws RangeError for scores that are no probabilities, and without rows
 */
export function reliabilityBins(
  { scores, labels }: ScoredSet,
  binning: ReliabilityBinning,
  count = 10,
): ReliabilityBin[] {
  if (scores.length === 0) throw new RangeError("calibration needs at least one row");
  if (scores.some((score) => !(score >= 0 && score <= 1)))
    throw new RangeError("a score is no probability: it lies outside of [0, 1]");
  const edges = edgesOf(scores, binning, count);
  const [rows, sums, positives] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  scores.forEach((score, row) => {
    const bin = binOf(edges, score);
    rows[bin] = (rows[bin] ?? 0) + 1;
    sums[bin] = (sums[bin] ?? 0) + score;
    positives[bin] = (positives[bin] ?? 0) + (labels[row] ?? 0);
  });
  return binsOf(edges, { rows, sums, positives });
}

/** What was counted in each bin: rows, the sum of their scores, and those that are positive. */
export interface BinCounts {
  readonly rows: Float64Array;
  readonly sums: Float64Array;
  readonly positives: Float64Array;
}

/** Bins that have rows, between their edges. */
export function binsOf(edges: readonly number[], { rows, sums, positives }: BinCounts): ReliabilityBin[] {
  return Array.from(rows, (size, bin) => ({ size, bin }))
    .filter(({ size }) => size > 0)
    .map(({ size, bin }) => ({
      from: edges[bin] ?? Number.NaN,
      to: edges[bin + 1] ?? Number.NaN,
      rows: size,
      meanScore: (sums[bin] ?? 0) / size,
      positiveShare: (positives[bin] ?? 0) / size,
      interval: wilsonInterval(positives[bin] ?? 0, size),
    }));
}

/** Edges of bins of one width, from 0 to 1. */
export function evenEdges(count: number): number[] {
  const step = 1 / count;
  return Array.from({ length: count + 1 }, (_, at) => (at === count ? 1 : at * step));
}

/** Multiples and quantiles are rounded as numpy's `linspace` and `percentile` round them: scores that lie on an edge fall on the same side. */
function edgesOf(scores: Float64Array, binning: ReliabilityBinning, count: number): number[] {
  const even = evenEdges(count);
  if (binning === "uniform") return even;
  const sorted = scores.toSorted();
  return even.map((p) => quantile(sorted, Math.min(1, (p * 100) / 100)));
}

/** Number of inner edges below the score. */
export function binOf(edges: readonly number[], score: number): number {
  let [low, high] = [1, edges.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] ?? Number.NaN) < score) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Expected calibration error (Naeini, Cooper and Hauskrecht 2015): distance of predicted and observed share, over bins by their rows. It is never below what chance alone makes. */
export function expectedCalibrationError(bins: readonly ReliabilityBin[]): number {
  const rows = bins.reduce((sum, bin) => sum + bin.rows, 0);
  return bins.reduce((sum, bin) => sum + (bin.rows / rows) * Math.abs(bin.positiveShare - bin.meanScore), 0);
}

/** Cox's recalibration: log odds of the outcome = intercept + slope × log odds of the score. Of a calibrated model 0 and 1. */
export interface LogisticRecalibration {
  readonly intercept: number;
  readonly interceptInterval: Interval;
  /** Below 1: the scores are too extreme. */
  readonly slope: number;
  readonly slopeInterval: Interval;
}

const mostSteps = 60;

/**
 * Slope and intercept of the reliability (Cox 1958) by maximum likelihood, with Wald intervals; equal to an unpenalised logistic regression on the scores' log
 * odds. Scores are kept 2^-52 away from 0 and 1. `undefined` where there is no such line: scores that are all alike, or that separate the classes.
 */
export function logisticRecalibration(
  { scores, labels }: ScoredSet,
  level = 0.95,
): LogisticRecalibration | undefined {
  const odds = scores.map((score) => {
    const p = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, score));
    return Math.log(p) - Math.log1p(-p);
  });
  const centre = odds.reduce((sum, one) => sum + one, 0) / odds.length;
  const scale = Math.sqrt(odds.reduce((sum, one) => sum + (one - centre) ** 2, 0) / odds.length);
  if (!(scale > 0)) return undefined;
  const standard = odds.map((one) => (one - centre) / scale);
  const fitted = fitLine(standard, labels);
  if (!fitted) return undefined;
  const { line, covariance } = fitted;
  const shift = centre / scale;
  const intercept = line.at - line.slope * shift;
  const variance = covariance.at - 2 * shift * covariance.both + shift ** 2 * covariance.slope;
  return {
    intercept,
    interceptInterval: wald(intercept, variance, level),
    slope: line.slope / scale,
    slopeInterval: wald(line.slope / scale, covariance.slope / scale ** 2, level),
  };
}

interface Line {
  readonly at: number;
  readonly slope: number;
}

/** Newton's method on standardised log odds, from a level line: where the scores are certain and wrong, their own line has no curvature to follow. */
function fitLine(
  x: Float64Array,
  labels: Uint8Array,
): { readonly line: Line; readonly covariance: Line & { readonly both: number } } | undefined {
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === labels.length) return undefined;
  let line: Line = { at: Math.log(positives / (labels.length - positives)), slope: 0 };
  for (let step = 0; step < mostSteps; step++) {
    const { gradient, information } = curvature(x, labels, line);
    const { ones, cross, squares } = information;
    const determinant = ones * squares - cross * cross;
    if (!(determinant > 1e-12 * ones * squares)) return undefined;
    const at = (squares * gradient.at - cross * gradient.slope) / determinant;
    const slope = (ones * gradient.slope - cross * gradient.at) / determinant;
    // A long step may leave the likelihood's hill: it is cut.
    const cut = Math.min(1, 2 / Math.max(Math.abs(at), Math.abs(slope)));
    line = { at: line.at + cut * at, slope: line.slope + cut * slope };
    if (Math.abs(at) + Math.abs(slope) <= 1e-11 * (1 + Math.abs(line.at) + Math.abs(line.slope)))
      return {
        line,
        covariance: { at: squares / determinant, both: -cross / determinant, slope: ones / determinant },
      };
  }
  return undefined;
}

function wald(value: number, variance: number, level: number): Interval {
  const half = normalQuantile(0.5 + level / 2) * Math.sqrt(variance);
  return { low: value - half, high: value + half, level };
}

/** Gradient of the log likelihood, and Fisher's information, at a line. */
function curvature(odds: Float64Array, labels: Uint8Array, { at, slope }: Line) {
  const gradient = { at: 0, slope: 0 };
  const information = { ones: 0, cross: 0, squares: 0 };
  odds.forEach((x, row) => {
    const p = 1 / (1 + Math.exp(-(at + slope * x)));
    const missed = (labels[row] ?? 0) - p;
    const weight = p * (1 - p);
    gradient.at += missed;
    gradient.slope += missed * x;
    information.ones += weight;
    information.cross += weight * x;
    information.squares += weight * x * x;
  });
  return { gradient, information };
}
