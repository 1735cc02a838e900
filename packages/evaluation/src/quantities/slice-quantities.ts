import type { SliceTerms } from "@portolan/charter/contract";
import { errorColumns, type QuantitySet } from "@portolan/numerics";
import type { Slice, SlicedColumn, SliceReport } from "../slices/contract.ts";
import { leastSliceRows } from "../slices/slice-support.ts";
import { groupRows, rowsOfGroups, type SliceValues } from "../slices/slice-values.ts";
import { worstSlice } from "../slices/worst-slice.ts";
import { errorMetricNames, errorValues } from "./quantity-metrics.ts";

/**
 * The errors of parts of the rows, by the values of columns. Parts with too few rows are counted and not measured. Pure.
 * @param overall each metric over all rows, for the worst slices
 * @param columns asked for, in this order; those that the rows do not have are absent in `values`
 */
export function sliceQuantities(
  { set, overall }: { readonly set: QuantitySet; readonly overall: Readonly<Record<string, number>> },
  columns: readonly string[],
  values: readonly SliceValues[],
  { bins, support }: Pick<SliceTerms, "bins" | "support">,
): SliceReport {
  const least = leastSliceRows(support);
  const sliced = columns.map((column): SlicedColumn => {
    const found = values.find((one) => one.column === column);
    if (!found) return { column, problem: "the rows have no such column", slices: [] };
    if (found.kind === "unfit") return { column, problem: found.reason, slices: [] };
    const grouped = groupRows(found, bins);
    const slices = rowsOfGroups(grouped).map(({ value, isRare, isAbsent, at }): Slice => {
      const counted = { value, rows: at.length, ...(isAbsent ? { isAbsent } : {}) };
      if (isRare || at.length < least) return { ...counted, isJudged: false };
      const own = {
        scores: Float64Array.from(at, (row) => set.scores[row] ?? Number.NaN),
        labels: Float64Array.from(at, (row) => set.labels[row] ?? Number.NaN),
      };
      return { ...counted, isJudged: true, values: errorValues(errorColumns(own)) };
    });
    return { column, grouping: grouped.grouping, slices };
  });
  const worst = errorMetricNames.flatMap((metric) => {
    const found = worstSlice(sliced, metric, overall[metric] ?? Number.NaN);
    return found ? [[metric, found] as const] : [];
  });
  return { bins, support: { rows: least }, columns: sliced, worst: Object.fromEntries(worst) };
}
