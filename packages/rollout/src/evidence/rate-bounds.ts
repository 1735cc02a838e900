import { logBeta } from "@portolan/numerics";

/** Bounds of a rate that hold at every look at once. */
export interface RateBounds {
  readonly low: number;
  readonly high: number;
}

/** Halvings of an interval of at most 1: to the last bit that matters. */
const halvings = 50;

/**
 * Confidence sequence of a rate: the rates that a Beta(½, ½) mixture of likelihood ratios does not exclude (Robbins 1970). The true rate lies within
 * the bounds at all looks at once with probability 1 − `alpha`.
 *
 * @param events 0 to `requests`
 * @param alpha in (0, 1)
 * @throws RangeError for what is no count of events of requests
 */
export function rateBounds(events: number, requests: number, alpha: number): RateBounds {
  if (!(events >= 0 && events <= requests) || !Number.isInteger(events) || !Number.isInteger(requests))
    throw new RangeError(`${events} events of ${requests} requests are no rate`);
  if (requests === 0) return { low: 0, high: 1 };
  const free = requests - events;
  const mixture = logBeta(0.5 + events, 0.5 + free) - logBeta(0.5, 0.5);
  const excluded = (rate: number): boolean =>
    mixture - times(events, Math.log(rate)) - times(free, Math.log1p(-rate)) >= -Math.log(alpha);
  const observed = events / requests;
  return {
    low: events === 0 ? 0 : edge(observed, 0, excluded),
    high: free === 0 ? 1 : edge(observed, 1, excluded),
  };
}

/** 0 × ∞ is 0 here. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}

/** Where exclusion begins between a rate that is not excluded and one that is; on the excluded side. */
function edge(inside: number, outside: number, excluded: (rate: number) => boolean): number {
  let [kept, gone] = [inside, outside];
  for (let n = 0; n < halvings; n++) {
    const middle = (kept + gone) / 2;
    if (excluded(middle)) gone = middle;
    else kept = middle;
  }
  return gone;
}
