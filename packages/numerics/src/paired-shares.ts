import { normalUpperTail } from "./normal.ts";

/** Two decisions on the same cases, counted where they part. */
export interface DiscordantPairs {
  /** Cases that the first got right and the second did not. */
  readonly gained: number;
  /** Cases that the second got right and the first did not. */
  readonly lost: number;
}

export interface PairedShareTest {
  /** One-sided p that the first is no better. */
  readonly p: number;
  readonly method: "exact" | "asymptotic";
}

/** Below this many discordant pairs McNemar's test is computed exactly, as is usual: the normal approximation is poor there. */
const exactBelow = 25;

/**
 * McNemar's test (1947) that the first of two shares on the same cases is no larger: below 25 discordant pairs the exact binomial one, equal to
 * `scipy.stats.binomtest(alternative="greater")`, else the normal one with Edwards's correction.
 *
 * @throws RangeError for what are no counts
 */
export function mcnemarGreater({ gained, lost }: DiscordantPairs): PairedShareTest {
  requireCounts(gained, lost);
  const pairs = gained + lost;
  if (pairs < exactBelow) return { p: binomialUpperTail(gained, pairs), method: "exact" };
  const away = gained - lost;
  const corrected = Math.sign(away) * Math.max(0, Math.abs(away) - 1);
  return { p: normalUpperTail(corrected / Math.sqrt(pairs)), method: "asymptotic" };
}

/** P(X ≥ k) of a fair coin tossed n times, for few tosses. */
function binomialUpperTail(k: number, n: number): number {
  let ways = 1;
  let sum = 0;
  for (let heads = 0; heads <= n; heads++) {
    if (heads >= k) sum += ways;
    ways = (ways * (n - heads)) / (heads + 1);
  }
  return sum / 2 ** n;
}

/**
 * Tango's score test (1998) that the first share is below the second by at least a margin: small p says that it is not inferior. Sound without any
 * discordant pair, where a Wald test is not.
 *
 * @param of cases in all, at least the discordant ones
 * @param margin in (0, 1)
 */
export function notInferiorShare(
  { gained, lost }: DiscordantPairs,
  of: number,
  margin: number,
): PairedShareTest {
  requireCounts(gained, lost);
  if (!Number.isInteger(of) || of < Math.max(1, gained + lost))
    throw new RangeError(`${of} cases are too few for ${gained + lost} discordant ones`);
  if (!(margin > 0 && margin < 1)) throw new RangeError(`${margin} is no margin of a share`);
  // Most likely share of lost cases where the margin is exactly reached: the larger root of the score equation.
  const linear = gained + lost + margin * (2 * of - gained + lost);
  const constant = lost * margin * (1 + margin);
  const likely = (linear + Math.sqrt(Math.max(0, linear ** 2 - 8 * of * constant))) / (4 * of);
  const variance = of * (2 * likely - margin - margin ** 2);
  const z = (gained - lost + of * margin) / Math.sqrt(variance);
  return { p: normalUpperTail(z), method: "asymptotic" };
}

function requireCounts(...counts: readonly number[]): void {
  for (const count of counts)
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`${count} is no count`);
}
