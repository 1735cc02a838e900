/**
 * Sample quantile with linear interpolation (Hyndman and Fan type 7, the default of numpy and R).
 *
 * @param sorted ascending, at least one value
 * @param p in [0, 1]
 */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) throw new RangeError("a quantile needs at least one value");
  if (!(p >= 0 && p <= 1)) throw new RangeError(`a probability must lie between 0 and 1, not ${p}`);
  const position = (sorted.length - 1) * p;
  const low = Math.floor(position);
  const below = sorted[low] ?? Number.NaN;
  const above = sorted[Math.min(low + 1, sorted.length - 1)] ?? Number.NaN;
  // The nearer end is where the way starts, as numpy does it: equal ends give exactly that value, and bits agree.
  const part = position - low;
  const isTooWide = !Number.isFinite(above - below) && Number.isFinite(below) && Number.isFinite(above);
  // No double holds their distance, yet one holds what lies between them.
  if (isTooWide) return below * (1 - part) + above * part;
  return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part);
}
