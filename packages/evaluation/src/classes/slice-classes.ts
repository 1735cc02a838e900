import type { SliceTerms } from "@portolan/charter/contract";
import { type ClassSet, classSums } from "@portolan/numerics";
import type { SliceReport } from "../slices/contract.ts";
import { sliceColumns, sliceRows, worstSlices } from "../slices/slice-columns.ts";
import { leastSliceRows } from "../slices/slice-support.ts";
import type { SliceValues } from "../slices/slice-values.ts";
import { classMetricNames, classValues, shareRight } from "./class-metrics.ts";

/**
 * The metrics of parts of the rows of several classes, by the values of columns. Parts with too few rows are counted and not measured. Pure.
 * @param overall each metric over all rows, for the worst slices
 * @param columns asked for, in this order; those that the rows do not have are absent in `values`
 */
export function sliceClasses(
  { set, overall }: { readonly set: ClassSet; readonly overall: Readonly<Record<string, number>> },
  columns: readonly string[],
  values: readonly SliceValues[],
  { bins, support }: Pick<SliceTerms, "bins" | "support">,
): SliceReport {
  const least = leastSliceRows(support);
  const sliced = sliceColumns(columns, values, bins, (grouped) =>
    sliceRows(grouped, least, (at) => {
      const own = rowsAt(set, at);
      const sums = classSums(own);
      return { values: classValues(own, sums), intervals: { accuracy: shareRight(own, sums) } };
    }),
  );
  const worst = worstSlices(sliced, classMetricNames, overall);
  return { bins, support: { rows: least }, columns: sliced, worst };
}

function rowsAt(set: ClassSet, at: readonly number[]): ClassSet {
  const { classCount, predicted, labels, likelihoods, squaredErrors } = set;
  const taken = (from: Uint16Array) => Uint16Array.from(at, (row) => from[row] ?? 0);
  return {
    classCount,
    predicted: taken(predicted),
    labels: taken(labels),
    ...(squaredErrors
      ? { squaredErrors: Float64Array.from(at, (row) => squaredErrors[row] ?? Number.NaN) }
      : {}),
    ...(likelihoods ? { likelihoods: Float64Array.from(at, (row) => likelihoods[row] ?? Number.NaN) } : {}),
  };
}
