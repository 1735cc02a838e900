import { beyondRange, type CountedShare, fisherGrown, totalCount } from "@portolan/numerics";
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
    const [cases, casesNow] = [column.counts, now].map((counts) =>
      cells.reduce((sum, cell) => sum + (counts[cell] ?? 0), 0),
    ) as [number, number];
    return {
      kind,
      reference: cases / total,
      now: casesNow / totalNow,
      p: grownP(kind, { cases: casesNow, of: totalNow }, { cases, of: total }),
    };
  });
}

function grownP(kind: CheckKind, now: CountedShare, reference: CountedShare): number {
  // Of the reference's own numbers none is outside of their ends.
  return kind === "outside" && reference.cases === 0
    ? beyondRange(now, reference.of)
    : fisherGrown(now, reference);
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
