import type { SliceTerms } from "@portolan/charter/contract";
import { errorColumns, type QuantitySet } from "@portolan/numerics";
import type { SliceReport } from "../slices/contract.ts";
import { sliceColumns, sliceRows, worstSlices } from "../slices/slice-columns.ts";
import { leastSliceRows } from "../slices/slice-support.ts";
import type { SliceValues } from "../slices/slice-values.ts";
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
  const sliced = sliceColumns(columns, values, bins, (grouped) =>
    sliceRows(grouped, least, (at) => {
      const own = {
        scores: Float64Array.from(at, (row) => set.scores[row] ?? Number.NaN),
        labels: Float64Array.from(at, (row) => set.labels[row] ?? Number.NaN),
      };
      return { values: errorValues(errorColumns(own)) };
    }),
  );
  const worst = worstSlices(sliced, errorMetricNames, overall);
  return { bins, support: { rows: least }, columns: sliced, worst };
}
