import { totalsOf } from "./histogram.ts";

/** Points with the weight of each; weights need no sum of 1. */
export interface WeightedSample {
  readonly values: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
}

/**
 * Wasserstein distance of order 1 of two weighted samples, ∫ |F − G| dx, in the values' unit; equals `scipy.stats.wasserstein_distance`.
 *
 * @throws RangeError for a sample without weight, other lengths, or values that are not finite
 */
export function wassersteinDistance(a: WeightedSample, b: WeightedSample): number {
  const [first, second] = [ordered(a), ordered(b)];
  let [i, j, f, g, distance] = [0, 0, 0, 0, 0];
  let last: number | undefined;
  while (i < first.points.length || j < second.points.length) {
    const x = Math.min(
      first.points[i]?.value ?? Number.POSITIVE_INFINITY,
      second.points[j]?.value ?? Number.POSITIVE_INFINITY,
    );
    if (last !== undefined) distance += Math.abs(f / first.total - g / second.total) * (x - last);
    last = x;
    for (; first.points[i]?.value === x; i++) f += first.points[i]?.weight ?? 0;
    for (; second.points[j]?.value === x; j++) g += second.points[j]?.weight ?? 0;
  }
  return distance;
}

function ordered({ values, weights }: WeightedSample) {
  if (values.length !== weights.length) throw new RangeError("each value needs one weight");
  const points = Array.from(values, (value, at) => ({ value, weight: weights[at] ?? 0 }));
  if (points.some(({ value, weight }) => !Number.isFinite(value) || !(weight >= 0)))
    throw new RangeError("values must be finite and weights at least 0");
  const total = points.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) throw new RangeError("a sample has no weight");
  return { points: points.toSorted((x, y) => x.value - y.value), total };
}

/**
 * Wasserstein distance of order 1 of two histograms over shared edges, each bin's cases spread evenly over it: ∫ |F − G| dx of two
 * piecewise linear distribution functions, in the edges' unit.
 *
 * @param edges ascending, one more than there are bins
 * @throws RangeError for other lengths, or an empty histogram
 */
export function binnedWasserstein(
  edges: ArrayLike<number>,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): number {
  const [n, m] = totalsOf(a, b);
  if (edges.length !== a.length + 1) throw new RangeError("there must be one edge more than bins");
  let [i, j, before, distance] = [0, 0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    i += a[at] ?? 0;
    j += b[at] ?? 0;
    const after = i / n - j / m;
    const width = (edges[at + 1] ?? Number.NaN) - (edges[at] ?? Number.NaN);
    // The difference is a straight line across a bin; where it changes its sign, two triangles.
    const crossed = before * after < 0;
    const height = crossed
      ? (before ** 2 + after ** 2) / (2 * (Math.abs(before) + Math.abs(after)))
      : Math.abs(before + after) / 2;
    distance += width * height;
    before = after;
  }
  return distance;
}
