import { totalsOf } from "./histogram.ts";
import { kolmogorovUpperTail } from "./kolmogorov.ts";

/** A two-sample Kolmogorov–Smirnov test. */
export interface KsResult {
  /** Largest distance of the two empirical distribution functions, in [0, 1]. */
  readonly statistic: number;
  readonly p: number;
  readonly method: "exact" | "asymptotic";
}

/** How p is computed; `auto`: exact up to 10,000 values a sample, as scipy's. Exact is at most as many steps as both sizes' product. */
export type KsMethod = "auto" | "exact" | "asymptotic";

const mostExact = 10_000;
const mostInt32 = 2 ** 31 - 1;

/**
 * Two-sample Kolmogorov–Smirnov test, two-sided; equals `scipy.stats.ks_2samp`. With ties the statistic is right (both distribution
 * functions are continuous from the right) and p is conservative.
 *
 * @throws RangeError for an empty sample, or one with NaN
 */
export function ksTwoSample(a: ArrayLike<number>, b: ArrayLike<number>, method: KsMethod = "auto"): KsResult {
  const [first, second] = [sorted(a), sorted(b)];
  let [i, j, largest] = [0, 0, 0];
  while (i < first.length || j < second.length) {
    const at = Math.min(first[i] ?? Number.POSITIVE_INFINITY, second[j] ?? Number.POSITIVE_INFINITY);
    while (i < first.length && first[i] === at) i++;
    while (j < second.length && second[j] === at) j++;
    largest = Math.max(largest, Math.abs(i / first.length - j / second.length));
  }
  return tested(largest, first.length, second.length, method);
}

function sorted(values: ArrayLike<number>): Float64Array {
  const copy = Float64Array.from(values);
  if (copy.length === 0) throw new RangeError("a sample is empty");
  if (copy.some((value) => Number.isNaN(value)))
    throw new RangeError("a sample has a value that is not a number");
  return copy.sort();
}

/**
 * The same test of counts in ordered bins that both samples share: what `ksTwoSample` finds where all values of a bin are one. As the
 * largest distance over fewer points it is never above the one of the values, so p is conservative: samples
 * of one law are told apart no more often than by their values.
 *
 * @throws RangeError for other numbers of bins, or an empty histogram
 */
export function ksFromCounts(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  method: KsMethod = "auto",
): KsResult {
  const [n, m] = totalsOf(a, b);
  let [i, j, largest] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    i += a[at] ?? 0;
    j += b[at] ?? 0;
    largest = Math.max(largest, Math.abs(i / n - j / m));
  }
  return tested(largest, n, m, method);
}

function tested(distance: number, n: number, m: number, method: KsMethod): KsResult {
  const divisor = gcd(n, m);
  const fits = n / divisor < mostInt32 / (m / divisor);
  const isExact = method === "auto" ? Math.max(n, m) <= mostExact : method === "exact";
  if (isExact && fits) {
    const lattice = (n / divisor) * m;
    const steps = Math.round(distance * lattice);
    return { statistic: steps / lattice, p: exactP(n, m, divisor, steps), method: "exact" };
  }
  const effective = Math.max(1, roundHalfToEven((n * m) / (n + m)));
  return { statistic: distance, p: kolmogorovUpperTail(effective, distance), method: "asymptotic" };
}

/**
 * Share of the lattice paths from (0, 0) to (n, m) that touch |x/n − y/m| = h / lcm(n, m). Of the paths that lead to a point, the share that
 * touched the line is the mean of its two predecessors' shares, weighted by how many paths come from each (Viehmann 2021): nothing cancels.
 */
function exactP(n: number, m: number, divisor: number, h: number): number {
  if (h === 0) return 1;
  const [stepX, stepY] = [m / divisor, n / divisor];
  // Share of paths to (x, y) of one column x; outside of the lines it is 1.
  const touched = new Float64Array(m + 1).fill(1);
  let previousLow = 0;
  for (let x = 0; x <= n; x++) {
    const low = Math.max(0, Math.floor((x * stepX - h) / stepY) + 1);
    const high = Math.min(m, Math.ceil((x * stepX + h) / stepY) - 1);
    for (let y = previousLow; y < low; y++) touched[y] = 1;
    previousLow = low;
    for (let y = low; y <= high; y++) {
      if (x === 0 && y === 0) touched[0] = 0;
      else
        touched[y] =
          ((x === 0 ? 0 : x * (touched[y] ?? 1)) + (y === 0 ? 0 : y * (touched[y - 1] ?? 1))) / (x + y);
    }
  }
  return Math.min(1, touched[m] ?? 1);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** As numpy rounds: what is half way goes to the even neighbour. */
function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
