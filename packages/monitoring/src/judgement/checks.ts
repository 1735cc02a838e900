import { beyondRange, fisherGrown, totalCount } from "@portolan/numerics";
import type { ProfiledColumn } from "../profile-schema.ts";

/** What a column's values may be instead of the reference's: absent (null, NaN), outside of its ends, or of a level that has no cell. */
export type CheckKind = "absent" | "outside" | "unseen";

/** A share of a column's rows beside the reference's. */
export interface CheckedShare {
  readonly kind: CheckKind;
  readonly reference: number;
  readonly now: number;
  /** Of an exact test that it did not grow: Fisher's, or the one of values beyond a range. */
  readonly p: number;
}

/** The shares that data quality of a column is judged by; both histograms must have rows. */
export function checkShares(column: ProfiledColumn, now: readonly number[]): CheckedShare[] {
  const [total, totalNow] = [totalCount(column.counts), totalCount(now)];
  return cellsOf(column).map(({ kind, cells }) => {
    const [cases, casesNow] = [sumOf(column.counts, cells), sumOf(now, cells)];
    const p =
      kind === "outside" && cases === 0
        ? outsideP(column, now, casesNow)
        : fisherGrown({ cases: casesNow, of: totalNow }, { cases, of: total });
    return { kind, reference: cases / total, now: casesNow / totalNow, p };
  });
}

/**
 * Of the reference's own numbers none is outside of their ends. Rows without a number are no part of the test: they neither widened the range
 * nor could lie beyond it. An infinite number has its place in the order.
 */
function outsideP(column: ProfiledColumn, now: readonly number[], cases: number): number {
  const [numbers, numbersNow] = [numbersOf(column, column.counts), numbersOf(column, now)];
  // Without a number there is no range: then it is whether there are numbers at all.
  if (numbers === 0)
    return fisherGrown({ cases, of: totalCount(now) }, { cases: 0, of: totalCount(column.counts) });
  return beyondRange({ cases, of: numbersNow }, numbers);
}

function numbersOf(column: ProfiledColumn, counts: readonly number[]): number {
  const absent = cellsOf(column).flatMap(({ kind, cells }) => (kind === "absent" ? cells : []));
  return totalCount(counts) - sumOf(counts, absent);
}

function sumOf(counts: readonly number[], cells: readonly number[]): number {
  return cells.reduce((sum, cell) => sum + (counts[cell] ?? 0), 0);
}

function cellsOf(column: ProfiledColumn): readonly { readonly kind: CheckKind; readonly cells: number[] }[] {
  if (column.kind === "levels") {
    const size = column.levels.length;
    return [
      { kind: "absent", cells: [size + 1] },
      { kind: "unseen", cells: [size] },
    ];
  }
  const size = column.lowerBounds.length;
  return [
    { kind: "absent", cells: [size + 2, size + 3] },
    { kind: "outside", cells: [0, size + 1, size + 4, size + 5] },
  ];
}
