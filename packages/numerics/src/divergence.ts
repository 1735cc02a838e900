import { totalCount, totalsOf } from "./histogram.ts";

/** Shannon entropy of a histogram in nats; equals `scipy.stats.entropy`. 0 for an empty one. */
export function shannonEntropy(counts: ArrayLike<number>): number {
  const total = totalCount(counts);
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
  const [totalA, totalB] = totalsOf(a, b);
  let divergence = 0;
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [(a[i] ?? 0) / totalA, (b[i] ?? 0) / totalB];
    const middle = (p + q) / 2;
    if (p > 0) divergence += (p * Math.log(p / middle)) / 2;
    if (q > 0) divergence += (q * Math.log(q / middle)) / 2;
  }
  return Math.max(0, divergence);
}

/** Jensen–Shannon distance, the root of the divergence: between 0 and √ln 2; equals `scipy.spatial.distance.jensenshannon` (natural logarithm). */
export function jensenShannonDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.sqrt(jensenShannon(a, b));
}
