import type { ComparedMetric } from "@portolan/charter/contract";
import type { Slice, SlicedColumn, SliceReport } from "./contract.ts";
import { type GroupedRows, groupRows, rowsOfGroups, type SliceValues } from "./slice-values.ts";
import { worstSlice } from "./worst-slice.ts";

/**
 * Each column with its parts, in this order; one that the rows do not have, or that cannot be grouped, says why. Pure.
 * @param slicesOf the parts of a column whose rows are grouped
 */
export function sliceColumns(
  columns: readonly string[],
  values: readonly SliceValues[],
  bins: number,
  slicesOf: (grouped: GroupedRows) => Slice[],
): SlicedColumn[] {
  return columns.map((column) => {
    const found = values.find((one) => one.column === column);
    if (!found) return { column, problem: "the rows have no such column", slices: [] };
    if (found.kind === "unfit") return { column, problem: found.reason, slices: [] };
    const grouped = groupRows(found, bins);
    return { column, grouping: grouped.grouping, slices: slicesOf(grouped) };
  });
}

/**
 * Parts by how many rows they have alone: those with too few are counted and not measured. Pure.
 * @param measure what is said of the rows at these places
 */
export function sliceRows(
  grouped: GroupedRows,
  least: number,
  measure: (at: readonly number[]) => Pick<Slice, "values" | "intervals">,
): Slice[] {
  return rowsOfGroups(grouped).map(({ value, isRare, isAbsent, at }) => {
    const counted = { value, rows: at.length, ...(isAbsent ? { isAbsent } : {}) };
    return isRare || at.length < least
      ? { ...counted, isJudged: false }
      : { ...counted, isJudged: true, ...measure(at) };
  });
}

/** By metric the part that is worst of all; metrics that no part has are left out. Pure. */
export function worstSlices(
  sliced: readonly SlicedColumn[],
  metrics: readonly ComparedMetric[],
  overall: Readonly<Record<string, number>>,
): SliceReport["worst"] {
  const found = metrics.flatMap((metric) => {
    const worst = worstSlice(sliced, metric, overall[metric] ?? Number.NaN);
    return worst ? [[metric, worst] as const] : [];
  });
  return Object.fromEntries(found);
}
