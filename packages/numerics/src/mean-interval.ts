import { normalQuantile } from "./normal.ts";

/** A mean with its confidence interval. */
export interface MeanInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Coverage, e.g. 0.95. */
  readonly level: number;
}

/**
 * The mean and its normal-theory interval, by the sample variance; sound for some thirty values that are not wild.
 *
 * @param values at least two
 * @throws RangeError for fewer: they have no variance
 */
export function meanInterval(values: Float64Array, level = 0.95): MeanInterval {
  if (values.length < 2) throw new RangeError("the interval of a mean needs at least two values");
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const half = normalQuantile(0.5 + level / 2) * Math.sqrt(squares / (n - 1) / n);
  return { mean, low: mean - half, high: mean + half, level };
}

/**
 * The ratio of two means over the same cases with its interval by the delta method (Cochran 1977, 6.4).
 *
 * @param of the other mean, not 0; as many values, at least two
 */
export function ratioInterval(values: Float64Array, of: Float64Array, level = 0.95): MeanInterval {
  if (values.length !== of.length) throw new RangeError("both means are over the same cases");
  const scale = meanInterval(of).mean;
  const ratio = meanInterval(values).mean / scale;
  const residuals = values.map((value, at) => (value - ratio * (of[at] ?? 0)) / scale);
  const spread = meanInterval(residuals, level);
  return { mean: ratio, low: ratio + spread.low, high: ratio + spread.high, level };
}
