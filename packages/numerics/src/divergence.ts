/** Shannon entropy of a histogram in nats; equals `scipy.stats.entropy`. 0 for an empty one. */
export function shannonEntropy(counts: ArrayLike<number>): number {
  const total = sumOf(counts);
  let entropy = 0;
  for (let i = 0; i < counts.length; i++) {
    const share = (counts[i] ?? 0) / total;
    if (share > 0) entropy -= share * Math.log(share);
  }
  return entropy;
}

/**
 * Jensen–Shannon divergence of two histograms over the same bins, in nats, between 0 and ln 2; the square of
 * `scipy.spatial.distance.jensenshannon`. Neither may be empty.
 */
export function jensenShannon(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [totalA, totalB] = [sumOf(a), sumOf(b)];
  if (a.length !== b.length) throw new RangeError("the histograms have other bins");
  if (totalA === 0 || totalB === 0) throw new RangeError("a histogram is empty");
  let divergence = 0;
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [(a[i] ?? 0) / totalA, (b[i] ?? 0) / totalB];
    const middle = (p + q) / 2;
    if (p > 0) divergence += (p * Math.log(p / middle)) / 2;
    if (q > 0) divergence += (q * Math.log(q / middle)) / 2;
  }
  return Math.max(0, divergence);
}

function sumOf(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i] ?? 0;
  return sum;
}
