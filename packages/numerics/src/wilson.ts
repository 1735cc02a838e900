import { normalQuantile } from "./normal.ts";

/** A share with its confidence interval. */
export interface ShareInterval {
  readonly low: number;
  readonly high: number;
  /** Confidence level, e.g. 0.95. */
  readonly level: number;
}

/**
 * Wilson's score interval of a share (Wilson 1927; Brown, Cai and DasGupta 2001): of sound coverage for few cases too, and never outside [0, 1].
 *
 * @param successes 0 to `count`
 * @param count above 0
 * @throws RangeError for numbers that are no counts
 */
export function wilsonInterval(successes: number, count: number, level = 0.95): ShareInterval {
  if (!Number.isInteger(successes) || !Number.isInteger(count) || count < 1)
    throw new RangeError(`${successes} of ${count} is no share of whole cases`);
  if (successes < 0 || successes > count) throw new RangeError(`${successes} of ${count} is no share`);
  const z = normalQuantile(1 - (1 - level) / 2);
  const share = successes / count;
  const denominator = 1 + z ** 2 / count;
  const centre = (share + z ** 2 / (2 * count)) / denominator;
  const half = (z / denominator) * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === count ? 1 : Math.min(1, centre + half),
    level,
  };
}
