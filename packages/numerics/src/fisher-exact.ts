import { deviance, stirlingError } from "./saddle-point.ts";

/** A share of cases, as the whole numbers that it is made of. */
export interface CountedShare {
  readonly cases: number;
  /** At least 1. */
  readonly of: number;
}

/**
 * Fisher's exact test that a share did not grow: probability that, of all cases of both, at least as many fall on `now`. Equals
 * `scipy.stats.fisher_exact(alternative="greater")` of the table now above before. Exact for cases that are rare, where χ² is not.
 *
 * @throws RangeError for what are no shares of whole cases
 */
export function fisherGrown(now: CountedShare, before: CountedShare): number {
  for (const { cases, of } of [now, before])
    if (!Number.isInteger(cases) || !Number.isInteger(of) || of < 1 || cases < 0 || cases > of)
      throw new RangeError(`${cases} of ${of} is no share of whole cases`);
  const cases = now.cases + before.cases;
  const lowest = Math.max(0, cases - before.of);
  if (now.cases === lowest) return 1;
  const mean = (cases * now.of) / (now.of + before.of);
  if (now.cases > mean) return Math.min(1, tail(now.cases, cases, now.of, before.of, 1));
  return Math.max(0, 1 - tail(now.cases - 1, cases, now.of, before.of, -1));
}

/** Sum of hypergeometric probabilities from `from` on, away from the mean: each from the one before. */
function tail(from: number, cases: number, drawn: number, rest: number, direction: 1 | -1): number {
  const ratio = (k: number): number =>
    direction === 1
      ? ((cases - k) * (drawn - k)) / ((k + 1) * (rest - cases + k + 1))
      : (k * (rest - cases + k)) / ((cases - k + 1) * (drawn - k + 1));
  let term = 1;
  let sum = 1;
  for (let k = from; ; k += direction) {
    term *= ratio(k);
    if (!(term > sum * Number.EPSILON * 0.1)) break;
    sum += term;
  }
  return sum * hypergeometric(from, cases, drawn, rest);
}

/** C(cases, k) C(drawn + rest − cases, drawn − k) / C(drawn + rest, drawn), from three binomial probabilities of one p: their powers cancel. */
function hypergeometric(k: number, cases: number, drawn: number, rest: number): number {
  const p = drawn / (drawn + rest);
  const exponent =
    logBinomial(k, cases, p) +
    logBinomial(drawn - k, drawn + rest - cases, p) -
    logBinomial(drawn, drawn + rest, p);
  return Math.exp(exponent);
}

/** Logarithm of the binomial probability of k of n, by Loader's expansion. */
function logBinomial(k: number, n: number, p: number): number {
  if (k === 0) return n * Math.log1p(-p);
  if (k === n) return n * Math.log(p);
  return (
    stirlingError(n) -
    stirlingError(k) -
    stirlingError(n - k) -
    deviance(k, n * p) -
    deviance(n - k, n * (1 - p)) -
    0.5 * Math.log((2 * Math.PI * k * (n - k)) / n)
  );
}
