/** Sum of a histogram's counts. */
export function totalCount(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < counts.length; at++) sum += counts[at] ?? 0;
  return sum;
}

/**
 * Totals of two histograms that lie beside one another.
 *
 * @throws RangeError when their bins differ in number, or one is empty
 */
export function totalsOf(a: ArrayLike<number>, b: ArrayLike<number>): readonly [number, number] {
  if (a.length !== b.length) throw new RangeError("the histograms have other bins");
  const totals = [totalCount(a), totalCount(b)] as const;
  if (totals.some((total) => total === 0)) throw new RangeError("a histogram is empty");
  return totals;
}
