/** One bucket as the gateways count it together. Times are microseconds on the clock of whoever counts. */
export interface CountedBucket {
  readonly key: string;
  /** What the units cost: their number times the interval of one. */
  readonly costMicros: number;
  /** Burst times interval. */
  readonly toleranceMicros: number;
  /** The arrival time that this gateway heard last: a store that lost its memory learns it back. */
  readonly knownMicros: number;
}

export interface CountAnswer {
  readonly nowMicros: number;
  /** Gateways heard of within the last seconds, this one included. */
  readonly gateways: number;
  /** In the order of the question. */
  readonly arrivalMicros: readonly number[];
}

export interface TakeAnswer extends CountAnswer {
  /** Until each would conform; all 0 or within the asked wait when the units were taken. */
  readonly waitMicros: readonly number[];
}

/** Where gateways count together; each call is one round trip and atomic. Rejects when it cannot be reached. */
export interface SharedCounts {
  /** Counts units that were admitted already. No buckets: a sign of life. */
  add(buckets: readonly CountedBucket[]): Promise<CountAnswer>;
  /**
   * Takes units from all buckets, or from none when a hard one does not conform within `maxWaitMicros`. A soft one that does not
   * is not charged.
   */
  take(
    buckets: readonly (CountedBucket & { readonly isSoft: boolean })[],
    maxWaitMicros: number,
  ): Promise<TakeAnswer>;
}
