import type { LevelsColumn, NumericColumn, ProfiledColumn } from "./profile-schema.ts";

/** Cells of a numeric column beyond those between its bounds: below, above, null, NaN, −∞, +∞. */
const numericExtras = 6;
/** Cells of levels beyond those of the levels: others, null. */
const levelExtras = 2;

/** Cells of a column; its counts have that many entries. */
export function cellCount(column: Pick<NumericColumn, "kind" | "lowerBounds"> | Pick<LevelsColumn, "kind" | "levels">): number {
  return column.kind === "numeric"
    ? column.lowerBounds.length + numericExtras
    : column.levels.length + levelExtras;
}

/**
 * The cell of a number: 0 below the first bound, then one per bound, then above, null, NaN, −∞, +∞.
 *
 * @param lowerBounds ascending; padded with +∞ or not makes no difference
 * @param size how many of them there are
 */
export function numericCell(lowerBounds: Float64Array, size: number, maximum: number, value: number): number {
  // One comparison for the common case: NaN and infinities fail it.
  if (value - value === 0) {
    if (value > maximum) return size + 1;
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((lowerBounds[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  if (value === Number.POSITIVE_INFINITY) return size + 5;
  return value === Number.NEGATIVE_INFINITY ? size + 4 : size + 3;
}

/** The cell of an absent value. */
export function nullCell(column: ProfiledColumn): number {
  return column.kind === "numeric" ? column.lowerBounds.length + 2 : column.levels.length + 1;
}

/** What each cell holds, for people: in the order of the counts. */
export function cellLabels(column: ProfiledColumn): string[] {
  if (column.kind === "levels") return [...column.levels, "others", "null"];
  const { lowerBounds, maximum } = column;
  const ranges = lowerBounds.map((from, at) => {
    const next = lowerBounds[at + 1];
    return next === undefined ? `[${from}, ${maximum}]` : `[${from}, ${next})`;
  });
  return ["below", ...ranges, "above", "null", "NaN", "-Infinity", "Infinity"];
}
