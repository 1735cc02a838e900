/**
 * Holm's step-down adjustment (1979): rejecting what is at most α keeps the chance of any false rejection below α, however the tests
 * depend on each other. Equals R's `p.adjust(method = "holm")`. In the order given.
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).toSorted((a, b) => (pValues[a] ?? 1) - (pValues[b] ?? 1));
  const adjusted = pValues.map(() => 1);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * (pValues[index] ?? 1)));
    adjusted[index] = largest;
  });
  return adjusted;
}

/**
 * Benjamini and Hochberg's step-up adjustment (1995): rejecting what is at most q keeps the expected share of false ones among the
 * rejected below q, for tests that are independent or positively dependent. Equals `scipy.stats.false_discovery_control`. In the order given.
 */
export function benjaminiHochbergAdjusted(pValues: readonly number[]): number[] {
  const count = pValues.length;
  const order = pValues.map((_, i) => i).toSorted((a, b) => (pValues[b] ?? 1) - (pValues[a] ?? 1));
  const adjusted = pValues.map(() => 1);
  let smallest = 1;
  order.forEach((index, rank) => {
    smallest = Math.min(smallest, ((pValues[index] ?? 1) * count) / (count - rank));
    adjusted[index] = smallest;
  });
  return adjusted;
}

/**
 * How likely a value at least as large is under the null distribution that a sample shows. Within the sample it is counted (and never 0);
 * beyond its 95 % quantile the tail is taken as exponential, with the mean excess of the sample, which is what quadratic statistics such as
 * discrepancies have.
 * @param sorted ascending, at least 20 values
 */
export function upperTailP(sorted: ArrayLike<number>, value: number): number {
  const n = sorted.length;
  if (n < 20) throw new RangeError("a tail needs at least 20 values");
  const from = Math.floor(0.95 * n);
  const threshold = sorted[from] ?? Number.NaN;
  let excess = 0;
  for (let i = from; i < n; i++) excess += (sorted[i] ?? Number.NaN) - threshold;
  const meanExcess = excess / (n - from);
  const share = (n - from) / n;
  if (value > threshold && meanExcess > 0) return share * Math.exp(-(value - threshold) / meanExcess);
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? Number.NaN) < value) low = middle + 1;
    else high = middle;
  }
  return (n - low + 1) / (n + 1);
}
