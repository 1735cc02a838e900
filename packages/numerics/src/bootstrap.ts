import { normalCdf, normalQuantile } from "./normal.ts";
import { quantile } from "./quantile.ts";
import type { Interval } from "./roc-auc.ts";
import { seededRandom } from "./seeded-random.ts";

/** A number that follows from the sums of columns over rows, such as a mean, a share or an F1. Never NaN. */
export type SumStatistic = (sums: ArrayLike<number>) => number;

export interface BootstrapOptions {
  /** The same seed draws the same rows. */
  readonly seed: number;
  /** Resamples, at least 1. */
  readonly replicates: number;
  /** Rows beyond this number are first dealt at random into as many groups of equal size, and groups are drawn. */
  readonly mostUnits: number;
}

/** What resampling says of one statistic. */
export interface BootstrapDistribution {
  /** Of all rows. */
  readonly estimate: number;
  /** Of each resample, ascending. */
  readonly replicates: Float64Array;
  /** Of all rows but one drawn unit, by unit. */
  readonly jackknife: Float64Array;
}

/**
 * Bootstrap (Efron 1979) of statistics that are made of sums: rows are drawn with replacement, and each statistic is taken of the columns' sums over them,
 * all statistics of the same draws. Of many rows random groups are drawn instead, which have the variance of their rows: the work is `mostUnits` times
 * `replicates`, whatever the number of rows.
 *
 * @param columns what each row adds, one array per addend, equally long
 * @throws RangeError without rows, or with columns of other lengths
 */
export function bootstrapSums(
  columns: readonly ArrayLike<number>[],
  statistics: readonly SumStatistic[],
  options: BootstrapOptions,
): BootstrapDistribution[] {
  const random = seededRandom(options.seed);
  const { units, sums } = unitSums(columns, options.mostUnits, random);
  return drawUnits({ units, sums, width: columns.length }, statistics, options.replicates, random);
}

/** Rows that add to few of many sums. */
export interface SparseRows {
  readonly rows: number;
  /** How many sums there are. */
  readonly width: number;
  /** Adds a row to the sums, which begin at `from`. */
  readonly add: (row: number, sums: Float64Array, from: number) => void;
}

/** As `bootstrapSums`, of the same draws, without an array for each sum. @throws RangeError without rows */
export function bootstrapSparseSums(
  { rows, width, add }: SparseRows,
  statistics: readonly SumStatistic[],
  { seed, replicates, mostUnits }: BootstrapOptions,
): BootstrapDistribution[] {
  if (rows === 0) throw new RangeError("there is no row to draw");
  const random = seededRandom(seed);
  const { units, unitOf } = dealUnits(rows, mostUnits, random);
  const sums = new Float64Array(units * width);
  for (let row = 0; row < rows; row++) add(row, sums, (unitOf[row] ?? 0) * width);
  return drawUnits({ units, sums, width }, statistics, replicates, random);
}

/** Units that are drawn, and what each adds, unit by unit. */
interface Units {
  readonly units: number;
  readonly sums: Float64Array;
  readonly width: number;
}

function drawUnits(
  { units, sums, width }: Units,
  statistics: readonly SumStatistic[],
  replicates: number,
  random: () => number,
): BootstrapDistribution[] {
  const total = new Float64Array(width);
  for (let at = 0; at < sums.length; at++) total[at % width] = (total[at % width] ?? 0) + (sums[at] ?? 0);
  const drawn = new Float64Array(width);
  const found = statistics.map(() => new Float64Array(replicates));
  for (let replicate = 0; replicate < replicates; replicate++) {
    drawn.fill(0);
    for (let draw = 0; draw < units; draw++) {
      const from = Math.floor(random() * units) * width;
      for (let at = 0; at < width; at++) drawn[at] = (drawn[at] ?? 0) + (sums[from + at] ?? 0);
    }
    statistics.forEach((statistic, index) => {
      const values = found[index];
      if (values) values[replicate] = statistic(drawn);
    });
  }
  return statistics.map((statistic, index) => ({
    estimate: statistic(total),
    replicates: (found[index] ?? new Float64Array(0)).sort(),
    jackknife: jackknife(statistic, total, sums, units),
  }));
}

function jackknife(
  statistic: SumStatistic,
  total: Float64Array,
  sums: Float64Array,
  units: number,
): Float64Array {
  const width = total.length;
  const rest = new Float64Array(width);
  return Float64Array.from({ length: units }, (_, unit) => {
    for (let at = 0; at < width; at++) rest[at] = (total[at] ?? 0) - (sums[unit * width + at] ?? 0);
    return statistic(rest);
  });
}

/** What each unit adds, unit by unit: a row, or a group of rows that was dealt at random. */
function unitSums(
  columns: readonly ArrayLike<number>[],
  mostUnits: number,
  random: () => number,
): { readonly units: number; readonly sums: Float64Array } {
  const rows = columns[0]?.length ?? 0;
  if (rows === 0) throw new RangeError("there is no row to draw");
  if (columns.some(({ length }) => length !== rows)) throw new RangeError("the columns differ in length");
  const width = columns.length;
  const units = Math.min(rows, mostUnits);
  const order = units === rows ? undefined : dealt(rows, random);
  const sums = new Float64Array(units * width);
  columns.forEach((column, at) => {
    for (let row = 0; row < rows; row++) {
      const into = (row % units) * width + at;
      sums[into] = (sums[into] ?? 0) + (column[order?.[row] ?? row] ?? 0);
    }
  });
  return { units, sums };
}

/** The unit of each row, as `bootstrapSums` deals them: a row, or one of `mostUnits` random groups of rows. */
export function dealUnits(
  rows: number,
  mostUnits: number,
  random: () => number,
): { readonly units: number; readonly unitOf: Uint32Array } {
  const units = Math.min(rows, mostUnits);
  const unitOf = Uint32Array.from({ length: rows }, (_, row) => row);
  if (units < rows)
    dealt(rows, random).forEach((row, at) => {
      unitOf[row] = at % units;
    });
  return { units, unitOf };
}

/** All rows in random order (Fisher and Yates). Groups of neighbours would be more alike than rows that are drawn. */
function dealt(rows: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  for (let last = rows - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}

/** How far the bootstrap distribution is off: `z0` of its median, `acceleration` of its width, by Efron (1987). */
function correction({ estimate, replicates, jackknife: left }: BootstrapDistribution): {
  readonly z0: number;
  readonly acceleration: number;
} {
  const share = (countUpTo(replicates, estimate, false) + countUpTo(replicates, estimate, true)) / 2;
  const mean = left.reduce((sum, value) => sum + value, 0) / left.length;
  let [cubes, squares] = [0, 0];
  for (const value of left) {
    const away = mean - value;
    cubes += away ** 3;
    squares += away ** 2;
  }
  return {
    z0: normalQuantile(inside(share / replicates.length, replicates.length)),
    acceleration: squares === 0 ? 0 : cubes / (6 * squares ** 1.5),
  };
}

/** A share that no finite number of resamples can tell from 0 or 1 is half a resample away from it. */
function inside(share: number, replicates: number): number {
  const least = 0.5 / replicates;
  return Math.min(1 - least, Math.max(least, share));
}

/** Values of a sorted array that are below a bound, or not above it. */
function countUpTo(sorted: Float64Array, bound: number, isIncluded: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = sorted[middle] ?? Number.NaN;
    if (value < bound || (isIncluded && value === bound)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Bias-corrected and accelerated interval (Efron 1987); equals `scipy.stats.bootstrap(method="BCa")` of the same resamples. Where the correction has no
 * value, the percentiles as they are.
 */
export function bcaInterval(distribution: BootstrapDistribution, level = 0.95): Interval {
  const { replicates } = distribution;
  const { z0, acceleration } = correction(distribution);
  const end = (p: number): number => {
    const shifted = z0 + normalQuantile(p);
    const narrowed = 1 - acceleration * shifted;
    return quantile(replicates, narrowed > 0 ? normalCdf(z0 + shifted / narrowed) : p);
  };
  return { low: end((1 - level) / 2), high: end((1 + level) / 2), level };
}

/**
 * One-sided p of the hypothesis that the statistic is truly at most `bound`: the level at which the lower end of the BCa interval is the bound. Never below
 * one in replicates + 1.
 */
export function bcaAtMost(distribution: BootstrapDistribution, bound: number): number {
  const { replicates } = distribution;
  const count = replicates.length;
  const least = 1 / (count + 1);
  const { z0, acceleration } = correction(distribution);
  const reached = countUpTo(replicates, bound, true);
  if (reached === count) return 1;
  if (reached === 0) return least;
  // The end's own formula, solved for the level.
  const away = normalQuantile(inside(reached / count, count)) - z0;
  const widened = 1 + acceleration * away;
  return Math.max(least, widened > 0 ? normalCdf(away / widened - z0) : reached / count);
}
