/** Delay of the event loop, milliseconds at p99, beyond which fewer requests are counted. */
export const laggingMs = 50;
const mostSampled = 64;

/**
 * One of how many requests is counted next, by how the event loop fared: half as many while it lags, twice as many again once it is
 * well below. Proportions stay unbiased, because a draw decides each request; the number is recorded with the counts.
 */
export function nextSampling(oneIn: number, delayMsP99: number): number {
  if (delayMsP99 > laggingMs) return Math.min(mostSampled, oneIn * 2);
  return delayMsP99 < laggingMs / 2 ? Math.max(1, oneIn / 2) : oneIn;
}
