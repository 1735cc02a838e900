import { betterWhen, type ComparedMetric } from "@portolan/charter/contract";
import type { SlicedColumn, WorstSlice } from "./contract.ts";

/** The judged slice on which a metric is furthest below all rows; `undefined` where none is judged. Pure. */
export function worstSlice(
  columns: readonly SlicedColumn[],
  metric: ComparedMetric,
  overall: number,
): WorstSlice | undefined {
  const sign = betterWhen(metric) === "higher" ? 1 : -1;
  let worst: WorstSlice | undefined;
  for (const { column, slices } of columns)
    for (const { value, rows, values } of slices) {
      const found = values?.[metric];
      if (found === undefined) continue;
      const gap = sign * (overall - found);
      if (!worst || gap > worst.gap) worst = { column, value, rows, found, gap };
    }
  return worst;
}
