import {
  binnedWasserstein,
  jensenShannonDistance,
  type KsResult,
  ksFromCounts,
  totalCount,
  wassersteinDistance,
} from "@portolan/numerics";
import type { NumericColumn, ProfiledColumn } from "../profile-schema.ts";

/** How far a column's counts are from their reference, beside the tests that judge. */
export interface DistanceMeasures {
  /** Jensen–Shannon distance, natural logarithm: 0 to √ln 2 = 0.833. */
  readonly jensenShannon: number;
  /** Kolmogorov–Smirnov over the ordered cells; numeric columns only, of numbers on both sides. */
  readonly ks?: KsResult;
  readonly wasserstein?: WassersteinMeasure;
}

/** Wasserstein distance of order 1 over the cells between the reference's ends; absent where no double holds it. */
export interface WassersteinMeasure {
  /**
   * In the column's unit. Values outside of the reference's ends count as the ends; rows of a range are taken as spread evenly over it, which
   * overstates what enters or leaves the wide outermost ones.
   */
  readonly distance: number;
  /** Over the reference's interquartile range; absent where that is 0, or so small that no double holds the quotient. */
  readonly perIqr?: number;
}

/**
 * Both histograms must have rows.
 *
 * @param now per cell of the column
 */
export function measureDistances(column: ProfiledColumn, now: readonly number[]): DistanceMeasures {
  const jensenShannon = jensenShannonDistance(column.counts, now);
  if (column.kind === "levels") return { jensenShannon };
  const [ordered, orderedNow] = [orderedCounts(column, column.counts), orderedCounts(column, now)];
  const isEmpty = [ordered, orderedNow].some((of) => totalCount(of) === 0);
  const wasserstein = wassersteinOf(column, now);
  return {
    jensenShannon,
    // The law for finite n, not the paths of the exact one: a page of columns is judged at once, and binned distances are conservative anyway.
    ...(isEmpty ? {} : { ks: ksFromCounts(ordered, orderedNow, "asymptotic") }),
    ...(wasserstein ? { wasserstein } : {}),
  };
}

/** −∞, below, the ranges, above, +∞: null and NaN have no place in an order. */
function orderedCounts({ lowerBounds }: NumericColumn, counts: readonly number[]): number[] {
  const size = lowerBounds.length;
  return [counts[size + 4] ?? 0, ...counts.slice(0, size + 2), counts[size + 5] ?? 0];
}

function wassersteinOf(column: NumericColumn, now: readonly number[]): WassersteinMeasure | undefined {
  const { lowerBounds, maximum } = column;
  if (maximum === null) return undefined;
  const [reference, counted] = [withinEnds(column, column.counts), withinEnds(column, now)];
  if ([reference, counted].some((of) => totalCount(of) === 0)) return undefined;
  // The ends may be further apart than any double is large; their halves are not.
  const scale = Number.isFinite(maximum - (lowerBounds[0] ?? maximum)) ? 1 : 0.5;
  const bounds = lowerBounds.map((bound) => bound * scale);
  // The last bound is the maximum where each value has a cell of its own: there the values are the bounds, and nothing is spread.
  const scaled =
    lowerBounds.at(-1) === maximum
      ? wassersteinDistance({ values: bounds, weights: reference }, { values: bounds, weights: counted })
      : binnedWasserstein([...bounds, maximum * scale], reference, counted);
  const distance = scaled / scale;
  if (!Number.isFinite(distance)) return undefined;
  const perIqr = scaled / (boundAt(bounds, reference, 0.75) - boundAt(bounds, reference, 0.25));
  return { distance, ...(Number.isFinite(perIqr) ? { perIqr } : {}) };
}

/** Rows of the ranges; what is finite and outside counts at the end that it is beyond. */
function withinEnds({ lowerBounds }: NumericColumn, counts: readonly number[]): number[] {
  const size = lowerBounds.length;
  const inside = counts.slice(1, 1 + size);
  inside[0] = (inside[0] ?? 0) + (counts[0] ?? 0);
  inside[size - 1] = (inside[size - 1] ?? 0) + (counts[size + 1] ?? 0);
  return inside;
}

/** The reference's quantile, as far as its bounds know it: the last bound with at most a share of `p` of the rows below it. */
function boundAt(lowerBounds: readonly number[], counts: readonly number[], p: number): number {
  const total = totalCount(counts);
  let below = 0;
  let found = lowerBounds[0] ?? 0;
  for (const [at, bound] of lowerBounds.entries()) {
    // Edges are at k/20 of the rows, give or take the one row that a quantile lies in.
    if (below > p * total + 1) break;
    found = bound;
    below += counts[at] ?? 0;
  }
  return found;
}
