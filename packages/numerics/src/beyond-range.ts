import type { CountedShare } from "./fisher-exact.ts";

/**
 * Probability that, of as many new values, at least so many lie outside of the range of `earlier` values of the same continuous law: exact,
 * from the order of all of them alone. Fisher's test of none before is not: a range is drawn around its own values, so that none of them can lie
 * outside, and both its ends are passed. With ties conservative.
 *
 * @param earlier number of values whose range it is, at least 1
 * @throws RangeError for what is no share of whole cases
 */
export function beyondRange({ cases, of }: CountedShare, earlier: number): number {
  if (![cases, of, earlier].every(Number.isInteger) || cases < 0 || cases > of || earlier < 1)
    throw new RangeError(`${cases} of ${of} beyond the range of ${earlier} is no share of whole cases`);
  // Probability that so many outermost places, however they are split over both ends, are all new values'.
  let all = 1;
  for (let at = 0; at < cases && all > 0; at++) all *= (of - at) / (of + earlier - at);
  const oneMore = (all * (of - cases)) / (of + earlier - cases);
  // Some split of the cases over the ends, of which there are cases + 1; two neighbouring ones hold at once with one more.
  return Math.min(1, (cases + 1) * all - cases * oneMore);
}
