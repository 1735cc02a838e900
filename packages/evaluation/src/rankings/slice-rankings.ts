import type { SliceTerms } from "@portolan/charter/contract";
import type { QuantitySet } from "@portolan/numerics";
import type { SliceReport } from "../slices/contract.ts";
import { sliceColumns, worstSlices } from "../slices/slice-columns.ts";
import { leastSliceRows } from "../slices/slice-support.ts";
import { type GroupedRows, rowsOfGroups, type SliceValues } from "../slices/slice-values.ts";
import { gainsOf, meanGain } from "./ranking-metrics.ts";

/** Queries whose rows have several values of the column, so that they are of no part. */
const mixed = "(mixed)";

/**
 * The ndcg_at_10 of parts of the queries, by the value that all rows of a query have in a column: a list is judged whole, for a part of it is another list.
 * Parts with too few queries are counted and not measured. Pure.
 * @param overall over all queries, for the worst slice
 */
export function sliceRankings(
  {
    set,
    ranked,
    overall,
  }: {
    readonly set: QuantitySet;
    readonly ranked: readonly (readonly number[])[];
    readonly overall: number;
  },
  columns: readonly string[],
  values: readonly SliceValues[],
  { bins, support }: Pick<SliceTerms, "bins" | "support">,
): SliceReport {
  const least = leastSliceRows(support);
  const gains = gainsOf(set, ranked);
  const sliced = sliceColumns(columns, values, bins, (grouped) =>
    rowsOfGroups(ofQueries(grouped, ranked)).map(({ value, isRare, isAbsent, at }) => {
      const rows = at.reduce((sum, query) => sum + (ranked[query]?.length ?? 0), 0);
      const counted = { value, rows, queries: at.length, ...(isAbsent ? { isAbsent } : {}) };
      if (isRare || value === mixed || at.length < least) return { ...counted, isJudged: false };
      const own = Float64Array.from(at, (query) => gains[query] ?? Number.NaN);
      return { ...counted, isJudged: true, values: { ndcg_at_10: meanGain(own) } };
    }),
  );
  const worst = worstSlices(sliced, ["ndcg_at_10"], { ndcg_at_10: overall });
  return { bins, support: { queries: least }, columns: sliced, worst };
}

/** Groups of queries by the group that all their rows are in; those of several groups are one more. */
function ofQueries(grouped: GroupedRows, ranked: readonly (readonly number[])[]): GroupedRows {
  const { codes, size } = grouped;
  return {
    grouping: grouped.grouping,
    codes: Uint32Array.from(ranked, ([first = 0, ...others]) => {
      const code = codes[first] ?? 0;
      return others.every((row) => codes[row] === code) ? code : size;
    }),
    size: size + 1,
    nameOf: (code) => (code === size ? mixed : grouped.nameOf(code)),
    isAbsent: (code) => code < size && grouped.isAbsent(code),
  };
}
