import {
  type BootstrapDistribution,
  type BootstrapOptions,
  bcaInterval,
  bootstrapSums,
  ndcg,
  type QuantitySet,
} from "@portolan/numerics";
import { bootstrapOptions } from "../binary-metrics.ts";
import type { RowMetrics } from "../contract.ts";
import type { QuantityBaseline } from "../quantities/quantity-metrics.ts";
import type { SliceValues } from "../slices/slice-values.ts";

/** Down to which rank of a query relevance counts. */
const mostRanks = 10;

/**
 * The mean of each query's ndcg_at_10, by scikit-learn's definition, over queries of two rows and more: a ranking of one row says nothing. Queries are what the
 * bootstrap draws, for rows of one are no independent evidence. Pure: its seed is fixed.
 * @param queries of each row; `undefined` where the rows do not have the column
 * @throws RangeError for rows without a query, fewer than two queries that rank, or what `ndcg` refuses
 */
export function rankingMetrics(
  set: QuantitySet,
  { column, queries }: { readonly column: string; readonly queries: SliceValues | undefined },
  baseline?: QuantityBaseline,
): RowMetrics {
  const ranked = rankedQueries(column, queries);
  const gains = gainsOf(set, ranked);
  const found = bootstrapMean(gains, bootstrapOptions);
  const common = {
    rows: set.scores.length,
    queries: ranked.length,
    values: { ndcg_at_10: found.estimate },
    intervals: { ndcg_at_10: { ...bcaInterval(found), method: "bca" as const } },
    bootstrap: { ...bootstrapOptions },
  };
  if (!baseline) return common;
  const naive = gainsOf({ scores: baseline.scores, labels: set.labels }, ranked);
  const difference = bootstrapMean(aheadOf(gains, naive), bootstrapOptions);
  return {
    ...common,
    baseline: {
      column: baseline.column,
      metric: "ndcg_at_10",
      value: meanGain(naive),
      difference: { value: difference.estimate, interval: bcaInterval(difference) },
    },
  };
}

/**
 * The rows of each query of two rows and more: one row is no ranking. Pure.
 * @throws RangeError for rows without a query, or fewer than two queries that rank
 */
export function rankedQueries(column: string, queries: SliceValues | undefined): number[][] {
  const ranked = rowsByQuery(column, queries).filter((rows) => rows.length > 1);
  if (ranked.length < 2)
    throw new RangeError(`column ${column} has fewer than two queries of two rows and more`);
  return ranked;
}

/** How far each query's gain is ahead of another model's. Pure. */
export function aheadOf(ours: Float64Array, theirs: Float64Array): Float64Array {
  return ours.map((gain, query) => gain - (theirs[query] ?? 0));
}

export function meanGain(gains: Float64Array): number {
  return gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
}

/** What resampling queries says of their mean. Pure: the seed is of the options. */
export function bootstrapMean(values: Float64Array, options: BootstrapOptions): BootstrapDistribution {
  const mean = (sums: ArrayLike<number>) => (sums[0] ?? 0) / (sums[1] ?? 1);
  const [found] = bootstrapSums([values, values.map(() => 1)], [mean], options);
  if (!found) throw new RangeError("the bootstrap gave nothing");
  return found;
}

/** The ndcg_at_10 of each query. @throws RangeError for what `ndcg` refuses */
export function gainsOf(
  { scores, labels }: QuantitySet,
  queries: readonly (readonly number[])[],
): Float64Array {
  return Float64Array.from(queries, (rows) =>
    ndcg(
      rows.map((row) => scores[row] ?? Number.NaN),
      rows.map((row) => labels[row] ?? Number.NaN),
      mostRanks,
    ),
  );
}

/** Rows of each query, in the order in which queries first appear. */
function rowsByQuery(column: string, queries: SliceValues | undefined): number[][] {
  if (!queries) throw new RangeError(`the rows have no column ${column}, which the charter names as query`);
  if (queries.kind === "unfit")
    throw new RangeError(`${column} cannot be read as queries: ${queries.reason}; give each a number`);
  const ids: ArrayLike<number | string | null> =
    queries.kind === "numbers"
      ? queries.values
      : Array.from(queries.codes, (code) => queries.texts[code] ?? null);
  const found = new Map<number | string, number[]>();
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row] ?? null;
    if (id === null || Number.isNaN(id)) throw new RangeError(`row ${row + 1} has no ${column}`);
    // They were read as doubles: beyond, ids that differ round alike, and their rows would be one list.
    if (typeof id === "number" && Math.abs(id) > Number.MAX_SAFE_INTEGER)
      throw new RangeError(
        `row ${row + 1} has a ${column} beyond 2^53, where numbers are not told apart; give each a smaller number`,
      );
    const rows = found.get(id);
    if (rows) rows.push(row);
    else found.set(id, [row]);
  }
  return [...found.values()];
}
