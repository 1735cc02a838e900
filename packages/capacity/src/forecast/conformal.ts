/** Of one step ahead. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * By how much what comes lies below and above a forecast, split-conformal: of n exchangeable errors (what came less what was forecast) the
 * ⌈(n+1)(1−α/2)⌉-th from either end, so that a new one lies between them with a probability of 1−α at least. `undefined` where there are too few for it: n + 1 < 2/α. Pure.
 *
 * @param errors ascending
 */
export function conformalMargins(errors: readonly number[], level: number): Interval | undefined {
  const { length } = errors;
  // A hair less, for 0.9 · 10 is 9.000000000000002 in doubles.
  const rank = Math.ceil((length + 1) * (1 - (1 - level) / 2) - 1e-9);
  const [low, high] = [errors[length - rank], errors[rank - 1]];
  return low === undefined || high === undefined ? undefined : { low, high };
}

/** Fewest errors from which `conformalMargins` are found. Pure. */
export function fewestErrors(level: number): number {
  return Math.ceil(2 / (1 - level) - 1 - 1e-9);
}

/** Quantile loss: a unit too low costs `share`, a unit too high the rest. Pure. */
export function pinballLoss(value: number, quantile: number, share: number): number {
  return value >= quantile ? share * (value - quantile) : (1 - share) * (quantile - value);
}
