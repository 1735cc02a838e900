import type { QuantitySet } from "./quantity-set.ts";

/** Columns of `errorColumns`, in their order. */
export const errorColumnCount = 5;

/**
 * What each row adds to the sums that errors of quantities are made of: one, its absolute and its squared error, and what happened, as a distance from the
 * mean over all rows, and squared: far from zero the squares would swallow what rows differ by.
 * @throws RangeError for lengths that differ, fewer than two rows, or what is no finite number
 */
export function errorColumns({ scores, labels }: QuantitySet): Float64Array[] {
  if (scores.length !== labels.length) throw new RangeError("scores and labels differ in length");
  if (scores.length < 2) throw new RangeError("an error of quantities needs at least two rows");
  if (!labels.every(Number.isFinite)) throw new RangeError("a label is not a finite number");
  if (!scores.every(Number.isFinite)) throw new RangeError("a score is not a finite number");
  const mean = labels.reduce((sum, label) => sum + label / labels.length, 0);
  const errors = scores.map((score, row) => score - (labels[row] ?? 0));
  const away = labels.map((label) => label - mean);
  return [
    new Float64Array(scores.length).fill(1),
    errors.map(Math.abs),
    errors.map((error) => error ** 2),
    away,
    away.map((value) => value ** 2),
  ];
}

type ErrorMetric = (sums: ArrayLike<number>, from?: number) => number;

/** Metrics that follow from sums of `errorColumns`, which begin at `from`; equal to scikit-learn's, also where all rows are alike (an R² of 1 or 0). */
export const errorMetrics = {
  rmse: (sums, from = 0) => Math.sqrt((sums[from + 2] ?? 0) / (sums[from] ?? 0)),
  mae: (sums, from = 0) => (sums[from + 1] ?? 0) / (sums[from] ?? 0),
  r2: (sums, from = 0) => {
    const [rows = 0, , squares = 0, away = 0, awaySquares = 0] = Array.from(
      { length: errorColumnCount },
      (_, at) => sums[from + at],
    );
    // What is left of a difference of sums that are the same is rounding, and no spread.
    const spread = awaySquares - away ** 2 / rows;
    if (spread > 1e-12 * awaySquares) return 1 - squares / spread;
    return squares === 0 ? 1 : 0;
  },
} as const satisfies Record<string, ErrorMetric>;
export type ErrorMetricName = keyof typeof errorMetrics;
