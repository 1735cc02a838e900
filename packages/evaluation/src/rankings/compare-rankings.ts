import { bcaAtMost, bcaInterval, type QuantitySet } from "@portolan/numerics";
import { type Tested, withHolm } from "../compare/compare-scores.ts";
import { comparisonBootstrap } from "../compare/comparison-bootstrap.ts";
import type { ComparedValue, ComparisonRule } from "../compare/contract.ts";
import type { SliceValues } from "../slices/slice-values.ts";
import { aheadOf, bootstrapMean, gainsOf, meanGain, rankedQueries } from "./ranking-metrics.ts";

/**
 * A ranking model beside the champion, on the same rows in the same order (docs/spec/promotion-gates.md, G12): a paired bootstrap draws queries, each with
 * both models' ndcg_at_10. Pure: its seed is fixed.
 * @throws RangeError for other labels, a metric that is none of rankings, or what `rankingMetrics` refuses
 */
export function compareRankings(
  challenger: QuantitySet,
  champion: QuantitySet,
  { column, queries }: { readonly column: string; readonly queries: SliceValues | undefined },
  { metrics, margins, level }: ComparisonRule,
): { readonly values: ComparedValue[]; readonly queries: number } {
  const { labels } = challenger;
  if (labels.length !== champion.labels.length || labels.some((label, row) => label !== champion.labels[row]))
    throw new RangeError("a paired comparison needs the same rows in the same order");
  const ranked = rankedQueries(column, queries);
  const [ours, theirs] = [gainsOf(challenger, ranked), gainsOf(champion, ranked)];
  const tested = metrics.map((metric): Tested => {
    if (metric !== "ndcg_at_10") throw new RangeError(`${metric} is not measured of rankings`);
    const margin = margins[metric];
    const distribution = bootstrapMean(aheadOf(ours, theirs), comparisonBootstrap);
    return {
      metric,
      question: margin === undefined ? "better" : "not_worse",
      champion: meanGain(theirs),
      challenger: meanGain(ours),
      advantage: { value: distribution.estimate, interval: bcaInterval(distribution) },
      ...(margin === undefined ? {} : { margin }),
      test: "bootstrap",
      p: bcaAtMost(distribution, -(margin ?? 0)),
    };
  });
  return { values: withHolm(tested, level), queries: ranked.length };
}
