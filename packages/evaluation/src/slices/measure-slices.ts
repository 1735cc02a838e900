import { comparedMetrics, type SliceTerms, type SupportFloor } from "@portolan/charter/contract";
import { aucInterval, averagePrecision, rocAuc, type ScoredSet, thresholdCounts } from "@portolan/numerics";
import { shareIntervals } from "../binary-metrics.ts";
import { decisionThreshold, summedMetrics, sumsOf } from "../metric-sums.ts";
import type { Slice, SliceReport } from "./contract.ts";
import { sliceColumns, worstSlices } from "./slice-columns.ts";
import { type GroupSize, type RowGroup, type SliceValues, splitRows } from "./slice-values.ts";

/** What slices are made with where the charter is silent. */
export const defaultSlicing = { bins: 4, support: { positives: 30, negatives: 30 } } as const;

/**
 * The metrics of parts of the rows, by the values of columns. Parts with too few rows of a class are counted and not measured. Pure.
 * @param overall each metric over all rows, for the worst slices
 * @param columns asked for, in this order; those that the rows do not have are absent in `values`
 */
export function measureSlices(
  { set, overall }: { readonly set: ScoredSet; readonly overall: Readonly<Record<string, number>> },
  columns: readonly string[],
  values: readonly SliceValues[],
  { bins, support }: Pick<SliceTerms, "bins" | "support">,
): SliceReport {
  const sliced = sliceColumns(columns, values, bins, (grouped) =>
    splitRows(set, grouped).map((group) => sliceOf(group, support)),
  );
  const worst = worstSlices(sliced, comparedMetrics, overall);
  return { bins, support: { ...support }, columns: sliced, worst };
}

function sliceOf(group: RowGroup, support: SupportFloor): Slice {
  const { value, set, rows, positives, isAbsent } = group;
  const counted = { value, rows, positives, ...(isAbsent ? { isAbsent } : {}) };
  if (!hasSupport(group, support)) return { ...counted, isJudged: false };
  const estimate = rocAuc(set);
  const sums = sumsOf(set);
  const summed = Object.entries(summedMetrics).map(([name, metric]) => [name, metric(sums)]);
  return {
    ...counted,
    isJudged: true,
    values: {
      roc_auc: estimate.auc,
      pr_auc: averagePrecision(set).value,
      ...Object.fromEntries(summed),
    },
    intervals: {
      roc_auc: { ...aucInterval(estimate), method: "delong" },
      ...shareIntervals(thresholdCounts(set, decisionThreshold)),
    },
  };
}

/** Whether a part has the rows of each class to be judged. Pure. */
export function hasSupport({ rows, positives, isRare }: GroupSize, support: SupportFloor): boolean {
  return !isRare && positives >= support.positives && rows - positives >= support.negatives;
}
