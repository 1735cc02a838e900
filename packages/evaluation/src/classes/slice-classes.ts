import type { SliceTerms } from "@portolan/charter/contract";
import { type ClassSet, classSums } from "@portolan/numerics";
import type { Slice, SlicedColumn, SliceReport } from "../slices/contract.ts";
import { leastSliceRows } from "../slices/slice-support.ts";
import { groupRows, rowsOfGroups, type SliceValues } from "../slices/slice-values.ts";
import { worstSlice } from "../slices/worst-slice.ts";
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
  const sliced = columns.map((column): SlicedColumn => {
    const found = values.find((one) => one.column === column);
    if (!found) return { column, problem: "the rows have no such column", slices: [] };
    if (found.kind === "unfit") return { column, problem: found.reason, slices: [] };
    const grouped = groupRows(found, bins);
    const slices = rowsOfGroups(grouped).map(({ value, isRare, isAbsent, at }): Slice => {
      const counted = { value, rows: at.length, ...(isAbsent ? { isAbsent } : {}) };
      if (isRare || at.length < least) return { ...counted, isJudged: false };
      const own = rowsAt(set, at);
      const sums = classSums(own);
      const intervals = { accuracy: shareRight(own, sums) };
      return { ...counted, isJudged: true, values: classValues(own, sums), intervals };
    });
    return { column, grouping: grouped.grouping, slices };
  });
  const worst = classMetricNames.flatMap((metric) => {
    const found = worstSlice(sliced, metric, overall[metric] ?? Number.NaN);
    return found ? [[metric, found] as const] : [];
  });
  return { bins, support: { rows: least }, columns: sliced, worst: Object.fromEntries(worst) };
}

function rowsAt({ classCount, predicted, labels, likelihoods }: ClassSet, at: readonly number[]): ClassSet {
  const taken = (from: Uint16Array) => Uint16Array.from(at, (row) => from[row] ?? 0);
  return {
    classCount,
    predicted: taken(predicted),
    labels: taken(labels),
    ...(likelihoods ? { likelihoods: Float64Array.from(at, (row) => likelihoods[row] ?? Number.NaN) } : {}),
  };
}
