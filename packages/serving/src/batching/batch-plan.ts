/** How one model version's requests share runs. */
export interface BatchPlan {
  /** Most rows of one run; 1 switches batching off. */
  readonly maxRows: number;
  /** Rows that may wait; beyond it the answer is at once that there is no room. */
  readonly maxQueuedRows: number;
}

/**
 * What a deployment states of how its requests share runs. It is theirs and not the model's: two endpoints may share one
 * loaded model.
 */
export interface BatchTerms {
  /** Sizes that the model computes best, in rows, ascending; empty: whatever waits goes. */
  readonly preferredRows: readonly number[];
  /**
   * How long a request that found the model busy may wait for company once it is free again, in milliseconds. 0: not at all. A
   * request that finds the model idle is run at once, whatever this says.
   */
  readonly maxDelayMs: number;
}

export const noTerms: BatchTerms = { preferredRows: [], maxDelayMs: 0 };

export const noBatching: BatchPlan = {
  maxRows: 1,
  maxQueuedRows: 1024,
};

/** One measured size: how long a run of so many rows takes, in microseconds (median after warm-up). */
export interface ProfiledRows {
  readonly rows: number;
  readonly micros: number;
}

/** Below this gain per row a larger batch only makes everybody wait longer. */
const leastGain = 0.03;

/**
 * The batch size that a model's own measurements justify: the largest one whose run stays within `longestMicros` and
 * still lowers the cost of a row. Pure.
 *
 * @param profile ascending by rows, the first entry for one row
 * @param longestMicros longest run that the tier can bear; a run of one row may take longer
 */
export function planBatches(profile: readonly ProfiledRows[], longestMicros: number): BatchPlan {
  let best = profile[0];
  for (const size of profile.slice(1)) {
    if (!best || size.micros > longestMicros) break;
    if (size.micros / size.rows > (best.micros / best.rows) * (1 - leastGain)) continue;
    best = size;
  }
  const maxRows = best?.rows ?? 1;
  return { ...noBatching, maxRows, maxQueuedRows: Math.max(1024, 16 * maxRows) };
}
