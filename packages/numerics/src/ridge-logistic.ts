import type { ScoredSet } from "./roc-auc.ts";

/** Rows of numbers, one after another, with their classes. */
export interface LabelledTable {
  /** Row by row, `width` values each; finite. */
  readonly values: Float64Array;
  readonly width: number;
  /** 1 = positive, 0 = negative. */
  readonly labels: ScoredSet["labels"];
}

export interface LogisticFit {
  /** By column, then the intercept. */
  readonly weights: Float64Array;
  /** Lower triangle of the Hessian's Cholesky factor, row by row, intercept last. */
  readonly factor: Float64Array;
}

const mostSteps = 50;

/**
 * Logistic regression with a ridge penalty (half of `ridge` times the squared weights, the intercept left alone) by Newton's method with halved steps;
 * scikit-learn's `LogisticRegression(C=1/ridge)`. Pure.
 * @param ridge above 0, so that separable classes have an answer
 * @throws RangeError for a table without both classes, or a ridge that is none
 */
export function fitRidgeLogistic({ values, width, labels }: LabelledTable, ridge: number): LogisticFit {
  if (!(ridge > 0)) throw new RangeError("the ridge is not above 0");
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === labels.length) throw new RangeError("the rows have one class alone");
  const size = width + 1;
  let weights = new Float64Array(size);
  weights[width] = Math.log(positives / (labels.length - positives));
  const table = { values, width, labels };
  let loss = penalisedLoss(table, weights, ridge);
  for (let step = 0; step < mostSteps; step++) {
    const { gradient, factor } = curvature(table, weights, ridge);
    const move = solve(factor, gradient);
    let [part, next, lower] = [1, weights, loss];
    do {
      next = weights.map((weight, at) => weight - part * (move[at] ?? 0));
      lower = penalisedLoss(table, next, ridge);
      part /= 2;
    } while (lower > loss && part > 1e-9);
    const isStill = move.every((one) => Math.abs(one) < 1e-11);
    if (lower > loss) break;
    [weights, loss] = [next, lower];
    if (isStill) break;
  }
  return { weights, factor: curvature(table, weights, ridge).factor };
}

/** Probability of the positive class for a row of a table. Pure. */
export function logisticProbability(weights: Float64Array, values: Float64Array, row: number): number {
  return 1 / (1 + Math.exp(-logOdds(weights, values, row)));
}

/**
 * What leaving out each row would move the fit by, in one Newton step (Pregibon 1981): Cook's distance in the metric of the Hessian, divided by the number of
 * weights. Pure.
 * @param fit of exactly this table
 */
export function cooksDistances({ values, width, labels }: LabelledTable, fit: LogisticFit): Float64Array {
  const size = width + 1;
  const row = new Float64Array(size);
  return Float64Array.from(labels, (label, at) => {
    row.set(values.subarray(at * width, (at + 1) * width));
    row[width] = 1;
    const p = logisticProbability(fit.weights, values, at);
    const weight = p * (1 - p);
    const spread = solve(fit.factor, row).reduce((sum, one, column) => sum + one * (row[column] ?? 0), 0);
    const leverage = weight * spread;
    return ((label - p) ** 2 * spread) / ((1 - leverage) ** 2 * size);
  });
}

function logOdds(weights: Float64Array, values: Float64Array, row: number): number {
  const width = weights.length - 1;
  let odds = weights[width] ?? 0;
  for (let column = 0; column < width; column++)
    odds += (weights[column] ?? 0) * (values[row * width + column] ?? 0);
  return odds;
}

function penalisedLoss(
  { values, width, labels }: LabelledTable,
  weights: Float64Array,
  ridge: number,
): number {
  let loss = 0;
  for (let row = 0; row < labels.length; row++) {
    const signed = labels[row] === 1 ? -logOdds(weights, values, row) : logOdds(weights, values, row);
    loss += signed > 0 ? signed + Math.log1p(Math.exp(-signed)) : Math.log1p(Math.exp(signed));
  }
  for (let column = 0; column < width; column++) loss += (ridge / 2) * (weights[column] ?? 0) ** 2;
  return loss;
}

function curvature(
  { values, width, labels }: LabelledTable,
  weights: Float64Array,
  ridge: number,
): { readonly gradient: Float64Array; readonly factor: Float64Array } {
  const size = width + 1;
  const gradient = new Float64Array(size);
  const hessian = new Float64Array(size * size);
  const row = new Float64Array(size);
  for (let at = 0; at < labels.length; at++) {
    row.set(values.subarray(at * width, (at + 1) * width));
    row[width] = 1;
    const p = logisticProbability(weights, values, at);
    const weight = p * (1 - p);
    const miss = p - (labels[at] ?? 0);
    for (let first = 0; first < size; first++) {
      const value = row[first] ?? 0;
      gradient[first] = (gradient[first] ?? 0) + miss * value;
      const scaled = weight * value;
      for (let second = 0; second <= first; second++) {
        const place = first * size + second;
        hessian[place] = (hessian[place] ?? 0) + scaled * (row[second] ?? 0);
      }
    }
  }
  for (let column = 0; column < width; column++) {
    gradient[column] = (gradient[column] ?? 0) + ridge * (weights[column] ?? 0);
    hessian[column * size + column] = (hessian[column * size + column] ?? 0) + ridge;
  }
  return { gradient, factor: cholesky(hessian, size) };
}

/** In place, of the lower triangle; a pivot that rounding made none counts as a tiny one. */
function cholesky(matrix: Float64Array, size: number): Float64Array {
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column] ?? 0;
      for (let at = 0; at < column; at++)
        sum -= (matrix[row * size + at] ?? 0) * (matrix[column * size + at] ?? 0);
      matrix[row * size + column] =
        row === column ? Math.sqrt(Math.max(sum, 1e-12)) : sum / (matrix[column * size + column] ?? 1);
    }
  }
  return matrix;
}

/** Of the matrix that has this factor. */
function solve(factor: Float64Array, right: Float64Array): Float64Array {
  const size = right.length;
  const found = Float64Array.from(right);
  for (let row = 0; row < size; row++) {
    let sum = found[row] ?? 0;
    for (let at = 0; at < row; at++) sum -= (factor[row * size + at] ?? 0) * (found[at] ?? 0);
    found[row] = sum / (factor[row * size + row] ?? 1);
  }
  for (let row = size - 1; row >= 0; row--) {
    let sum = found[row] ?? 0;
    for (let at = row + 1; at < size; at++) sum -= (factor[at * size + row] ?? 0) * (found[at] ?? 0);
    found[row] = sum / (factor[row * size + row] ?? 1);
  }
  return found;
}
