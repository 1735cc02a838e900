const mostSampled = 64;

/**
 * One of how many requests is counted next, by how the event loop fared: half as many while it lags, twice as many again once it is
 * well below. Proportions stay unbiased, because a draw decides each request; the number is recorded with the counts.
 *
 * @param delayMsP99 how late the event loop was
 * @param laggingMs from where on that is too late; 0: never, every request is counted
 */
export function nextSampling(oneIn: number, delayMsP99: number, laggingMs: number): number {
  if (laggingMs === 0) return 1;
  if (delayMsP99 > laggingMs) return Math.min(mostSampled, oneIn * 2);
  return delayMsP99 < laggingMs / 2 ? Math.max(1, oneIn / 2) : oneIn;
}
