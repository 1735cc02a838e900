import type { ThresholdCounts } from "./proper-scores.ts";

/** Names and definitions are fairlearn's, over groups and the decisions at a threshold. */
export interface FairnessMeasures {
  /** Largest less smallest selection rate, in [0, 1]. */
  readonly demographic_parity_difference: number;
  /** Smallest over largest selection rate, in [0, 1]: the four-fifths rule asks for 0.8. */
  readonly demographic_parity_ratio: number;
  /** The larger of the differences in true and in false positive rate (`agg="worst_case"`). */
  readonly equalized_odds_difference: number;
  /** The smaller of the ratios of true and of false positive rates. */
  readonly equalized_odds_ratio: number;
  /** Difference in true positive rate. */
  readonly equal_opportunity_difference: number;
  readonly equal_opportunity_ratio: number;
}

/** Share of a group that is selected: predicted positive, rightly or not. 0 of no rows. */
export function selectionRate(group: ThresholdCounts): number {
  const selected = group.truePositives + group.falsePositives;
  return share(selected, selected + group.trueNegatives + group.falseNegatives);
}

/** Share of a group's positives that is selected; 0 without positives. */
export function truePositiveRate({ truePositives, falseNegatives }: ThresholdCounts): number {
  return share(truePositives, truePositives + falseNegatives);
}

/** Share of a group's negatives that is selected; 0 without negatives. */
export function falsePositiveRate({ falsePositives, trueNegatives }: ThresholdCounts): number {
  return share(falsePositives, falsePositives + trueNegatives);
}

/**
 * How differently groups are treated, between the groups (`method="between_groups"`). Equal to fairlearn's functions of the same names; where
 * no group has any (all rates 0) a ratio is 1 here, and NaN there.
 *
 * @param groups at least two
 */
export function fairnessMeasures(groups: readonly ThresholdCounts[]): FairnessMeasures {
  if (groups.length < 2) throw new RangeError("groups are compared from two on");
  const selected = spread(groups.map(selectionRate));
  const truePositive = spread(groups.map(truePositiveRate));
  const falsePositive = spread(groups.map(falsePositiveRate));
  return {
    demographic_parity_difference: selected.difference,
    demographic_parity_ratio: selected.ratio,
    equalized_odds_difference: Math.max(truePositive.difference, falsePositive.difference),
    equalized_odds_ratio: Math.min(truePositive.ratio, falsePositive.ratio),
    equal_opportunity_difference: truePositive.difference,
    equal_opportunity_ratio: truePositive.ratio,
  };
}

function spread(rates: readonly number[]): { readonly difference: number; readonly ratio: number } {
  const [low, high] = [Math.min(...rates), Math.max(...rates)];
  return { difference: high - low, ratio: high === 0 ? 1 : low / high };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
