import { chiSquaredUpperTail } from "./chi-squared.ts";
import { totalsOf } from "./histogram.ts";

/** Population stability index of two histograms. */
export interface StabilityResult {
  /** Σ (p − q) ln(p / q), in nats, with ½ added to every count; at least 0. */
  readonly psi: number;
  /** What is left of it after its mean under equal distributions, (B − 1)(1/n + 1/m); around 0 without a change, of either sign. */
  readonly debiased: number;
  /** Probability of an index at least as large under equal distributions: psi / (1/n + 1/m) is then about χ² with B − 1 degrees of freedom. */
  readonly p: number;
  /** B: bins that either histogram has a case in. */
  readonly bins: number;
}

/**
 * Population stability index over bins whose edges are fixed beforehand, with ½ added to each count so that an empty bin is finite, its
 * debiased value and p (Yurdakul 2018). Bins that are empty in both hold no information and count in nothing.
 *
 * @throws RangeError for other numbers of bins, or an empty histogram
 */
export function populationStability(a: ArrayLike<number>, b: ArrayLike<number>): StabilityResult {
  const [n, m] = totalsOf(a, b);
  let bins = 0;
  for (let at = 0; at < a.length; at++) if ((a[at] ?? 0) + (b[at] ?? 0) > 0) bins++;
  let psi = 0;
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] ?? 0, b[at] ?? 0];
    if (x + y === 0) continue;
    const [p, q] = [(x + 0.5) / (n + bins / 2), (y + 0.5) / (m + bins / 2)];
    psi += (p - q) * Math.log(p / q);
  }
  const scale = 1 / n + 1 / m;
  return {
    psi,
    debiased: psi - (bins - 1) * scale,
    p: bins < 2 ? 1 : chiSquaredUpperTail(psi / scale, bins - 1),
    bins,
  };
}
