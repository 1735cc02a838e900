import {
  bcaAtMost,
  bcaInterval,
  bootstrapSums,
  errorColumnCount,
  type QuantitySet,
} from "@portolan/numerics";
import { type Tested, withHolm } from "../compare/compare-scores.ts";
import { comparisonBootstrap } from "../compare/comparison-bootstrap.ts";
import type { ComparedValue, ComparisonRule } from "../compare/contract.ts";
import { totalOf } from "../metric-sums.ts";
import { errorAdvantage, isErrorMetric } from "./quantity-metrics.ts";

/**
 * A regression beside the champion, on the same rows in the same order, in each error of a rule (docs/spec/promotion-gates.md, G12): a paired bootstrap draws
 * rows with both models' errors on them. Pure: its seed is fixed.
 * @throws RangeError for other labels, fewer than two rows, numbers that are not finite, or a metric that is none of quantities
 */
export function compareQuantities(
  challenger: QuantitySet,
  champion: QuantitySet,
  { metrics, margins, level }: ComparisonRule,
): ComparedValue[] {
  const { labels } = challenger;
  if (labels.length !== champion.labels.length || labels.some((label, row) => label !== champion.labels[row]))
    throw new RangeError("a paired comparison needs the same rows in the same order");
  const tested = metrics.map((metric): Tested => {
    if (!isErrorMetric(metric)) throw new RangeError(`${metric} is not measured of quantities`);
    const margin = margins[metric];
    const { columns, advantage, value } = errorAdvantage(challenger, champion, metric);
    const [distribution] = bootstrapSums(columns, [advantage], comparisonBootstrap);
    if (!distribution) throw new RangeError("the bootstrap gave nothing");
    const sums = columns.map(totalOf);
    return {
      metric,
      question: margin === undefined ? "better" : "not_worse",
      champion: value(sums, errorColumnCount),
      challenger: value(sums),
      advantage: { value: distribution.estimate, interval: bcaInterval(distribution) },
      ...(margin === undefined ? {} : { margin }),
      test: "bootstrap",
      p: bcaAtMost(distribution, -(margin ?? 0)),
    };
  });
  return withHolm(tested, level);
}
