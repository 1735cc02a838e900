import { seededRandom } from "@portolan/numerics";

/** What of one column may change, and how far. */
export interface ColumnRange {
  readonly isMutable: boolean;
  /** Smallest and largest value that the reference rows have. */
  readonly low: number;
  readonly high: number;
  /** What a change is counted in: the reference rows' standard deviation. */
  readonly unit: number;
  /** Its values are whole numbers and stay so. */
  readonly isWhole: boolean;
}

/** By column of the model. */
export type MutableSpace = readonly ColumnRange[];

/**
 * What rows may be changed to, as reference rows show it. A column that has one value alone, or none, is not mutable. Pure.
 * @param rows row by row, `isMutable.length` values each
 */
export function spaceOf(rows: ArrayLike<number>, isMutable: readonly boolean[]): ColumnRange[] {
  const width = isMutable.length;
  return isMutable.map((stated, column) => {
    let [count, mean, squares] = [0, 0, 0];
    let [low, high, isWhole] = [Infinity, -Infinity, true];
    for (let at = column; at < rows.length; at += width) {
      const value = rows[at] ?? Number.NaN;
      if (!Number.isFinite(value)) continue;
      count += 1;
      const step = value - mean;
      mean += step / count;
      squares += step * (value - mean);
      low = Math.min(low, value);
      high = Math.max(high, value);
      isWhole &&= Number.isInteger(value);
    }
    const unit = count === 0 ? 0 : Math.sqrt(squares / count);
    return { isMutable: stated && unit > 0, low, high, unit, isWhole };
  });
}

/** Where one row's column may go: its own value is always in. A row's gap, or a column that may not change, goes nowhere. Pure. */
export function reachOf(
  range: ColumnRange,
  value: number,
): { readonly low: number; readonly high: number; readonly isWhole: boolean } | undefined {
  if (!range.isMutable || !Number.isFinite(value)) return undefined;
  return {
    low: Math.min(range.low, value),
    high: Math.max(range.high, value),
    isWhole: range.isWhole && Number.isInteger(value),
  };
}

/** The largest change of a mutable column, each in its own unit (L∞). Pure. */
export function distanceBetween(space: MutableSpace, from: ArrayLike<number>, to: ArrayLike<number>): number {
  let most = 0;
  for (const [column, { isMutable, unit }] of space.entries()) {
    const change = Math.abs((to[column] ?? 0) - (from[column] ?? 0)) / unit;
    if (isMutable && change > most) most = change;
  }
  return most;
}

/** So many rows of a table, drawn without replacement by a seed; all of them where there are fewer. Pure. */
export function drawRows(count: number, most: number, seed: number): number[] {
  const random = seededRandom(seed);
  const places = Array.from({ length: count }, (_, at) => at);
  const drawn = Math.min(count, most);
  for (let at = 0; at < drawn; at++) {
    const other = at + Math.floor(random() * (count - at));
    const kept = places[at] ?? 0;
    places[at] = places[other] ?? 0;
    places[other] = kept;
  }
  return places.slice(0, drawn);
}
