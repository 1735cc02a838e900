import { normalQuantile } from "./normal.ts";

/** Agreement of two raters beyond what their habits alone would give. */
export interface Kappa {
  /** 1 for full agreement, 0 for what chance gives; undefined where both always say the same one thing. */
  readonly value: number | undefined;
  /** Normal theory (Fleiss, Cohen and Everitt 1969), cut to [-1, 1]; absent with the value. */
  readonly interval?: { readonly low: number; readonly high: number };
}

/**
 * Cohen's κ of paired ratings, as `sklearn.metrics.cohen_kappa_score` and `statsmodels.stats.inter_rater.cohens_kappa` tell it.
 *
 * @param pairs what the two raters said of the same thing; categories are told apart by `===`
 * @param confidence of the interval, in (0, 1)
 */
export function cohenKappa<Category>(
  pairs: readonly (readonly [Category, Category])[],
  confidence = 0.95,
): Kappa {
  const n = pairs.length;
  const categories = [...new Set(pairs.flat())];
  const share = (holds: (pair: readonly [Category, Category]) => boolean): number =>
    pairs.filter(holds).length / n;
  const first = categories.map((category) => share(([a]) => a === category));
  const second = categories.map((category) => share(([, b]) => b === category));
  const expected = first.reduce((sum, p, i) => sum + p * (second[i] ?? 0), 0);
  if (n === 0 || expected >= 1) return { value: undefined };
  const kappa = (share(([a, b]) => a === b) - expected) / (1 - expected);
  const at = (category: Category): number => categories.indexOf(category);
  // Summed over the pairs: each adds its cell's weight once.
  const weights = pairs.map(([a, b]) =>
    a === b
      ? (1 - ((first[at(a)] ?? 0) + (second[at(a)] ?? 0)) * (1 - kappa)) ** 2
      : (1 - kappa) ** 2 * ((second[at(a)] ?? 0) + (first[at(b)] ?? 0)) ** 2,
  );
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / n;
  const variance = (mean - (kappa - expected * (1 - kappa)) ** 2) / ((1 - expected) ** 2 * n);
  const half = normalQuantile((1 + confidence) / 2) * Math.sqrt(Math.max(0, variance));
  return { value: kappa, interval: { low: Math.max(-1, kappa - half), high: Math.min(1, kappa + half) } };
}
