import { quantile } from "@portolan/numerics";
import { cellCount, nullCell, numericCell, padBounds } from "./cells.ts";
import type { LevelsColumn, NumericColumn } from "./profile-schema.ts";

/** Bins of a numeric column. Fixed: a statistic over cells is comparable only where their number is. */
export const bins = 20;
/** Levels that have a cell of their own. */
export const mostLevels = 100;
/** A level that fewer rows have may name a person, and says nothing of a distribution: it counts among the others. */
export const fewestRowsOfLevel = 5;

type Place = Pick<NumericColumn, "tensor" | "column" | "name">;

/**
 * Edges at the reference's own quantiles (type 7) of 0, 1/20 … 19/20; equal ones are one, so that a value which many rows share
 * gets a wide share and no empty cells. With at most 20 different values each has its own cell, which begins with it.
 *
 * @param values null is an absent value; what is not finite has cells of its own and moves no edge
 */
export function numericReference(
  place: Place,
  values: readonly (number | null)[] | Float64Array,
): NumericColumn {
  const finite = Float64Array.from(values as ArrayLike<number>, (value: number | null) => value ?? Number.NaN)
    .filter((value) => Number.isFinite(value))
    .sort();
  const column: NumericColumn = {
    ...place,
    kind: "numeric",
    lowerBounds: lowerBounds(finite),
    maximum: finite.length === 0 ? null : zeroed(finite[finite.length - 1] ?? 0),
    counts: [],
  };
  const counts = Array.from({ length: cellCount(column) }, () => 0);
  const bounds = padBounds(column.lowerBounds);
  const size = column.lowerBounds.length;
  const maximum = column.maximum ?? Number.NEGATIVE_INFINITY;
  for (const value of values) {
    const cell = value === null ? nullCell(column) : numericCell(bounds, 0, size, maximum, value);
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  return { ...column, counts };
}

function lowerBounds(sorted: Float64Array): number[] {
  const distinct: number[] = [];
  for (const value of sorted) {
    if (distinct.length > bins) break;
    if (value !== distinct.at(-1)) distinct.push(zeroed(value));
  }
  if (distinct.length <= bins) return distinct;
  const edges = Array.from({ length: bins }, (_, at) => quantile(sorted, at / bins));
  return edges.filter((edge, at) => at === 0 || edge !== edges[at - 1]).map(zeroed);
}

/** JSON knows one zero. */
function zeroed(value: number): number {
  return value === 0 ? 0 : value;
}

/** The most frequent levels, by count and then by code point; all others share a cell, new ones among them. */
export function levelsReference(place: Place, values: readonly (string | null)[]): LevelsColumn {
  const rows = new Map<string, number>();
  let absent = 0;
  for (const value of values) {
    if (value === null) absent++;
    else rows.set(value, (rows.get(value) ?? 0) + 1);
  }
  const kept = [...rows]
    .filter(([, count]) => count >= fewestRowsOfLevel)
    .toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, mostLevels);
  const known = kept.reduce((sum, [, count]) => sum + count, 0);
  return {
    ...place,
    kind: "levels",
    levels: kept.map(([level]) => level),
    counts: [...kept.map(([, count]) => count), values.length - absent - known, absent],
  };
}
