/** How fast data comes from where it lies, for all readers together. */
export interface StorageTier {
  readonly bytesPerSecond: number;
  /** Reads that begin in a second, however small: seeks of drives, requests of an object store. */
  readonly readsPerSecond: number;
}

export interface FeedQuestion {
  readonly gpus: number;
  /** What one takes in when nothing holds it up. */
  readonly bytesPerSecondPerGpu: number;
  /** Of one read: a sample, or a piece of a file of many. */
  readonly readBytes: number;
  readonly datasetBytes: number;
  /** Whole: each reads all of the data once. */
  readonly epochs: number;
  readonly source: StorageTier;
  /** Beside the source: what was read once comes from here; both are read at the same time. */
  readonly cache?: StorageTier & {
    /** Share of the reads, after the first epoch, that it answers. */
    readonly hit: number;
  };
}

export interface FeedAnswer {
  /** That the cards take in together. */
  readonly neededBytesPerSecond: number;
  /** That the source and the cache give with reads of this size. */
  readonly sourceBytesPerSecond: number;
  readonly cacheBytesPerSecond: number;
  /** Of an epoch that nothing holds up, of the first, and of each later one. */
  readonly fedEpochSeconds: number;
  readonly firstEpochSeconds: number;
  readonly laterEpochSeconds: number;
  readonly seconds: number;
  /** Of the cards' time, waiting for data. */
  readonly idleShare: number;
  readonly idleGpuHours: number;
  readonly gpuHours: number;
  /** What the later epochs wait for; where there is one epoch alone, what it waits for. */
  readonly waitsFor: "nothing" | "source" | "cache";
  /** The least share that a cache has to answer for later epochs to wait for nothing; absent: none is enough. */
  readonly hitThatFeeds?: number;
}

/** What a tier gives with reads of a size. */
export function rateOf({ bytesPerSecond, readsPerSecond }: StorageTier, readBytes: number): number {
  return Math.min(bytesPerSecond, readsPerSecond * readBytes);
}

/**
 * How long cards wait for data. Reading and computing go on at the same time, as far ahead as is needed, so an epoch takes as long as the slowest of them: the cards, what
 * the source has to give, what the cache has to give. The first epoch comes from the source alone.
 */
export function feed(question: FeedQuestion): FeedAnswer {
  const { gpus, bytesPerSecondPerGpu, readBytes, datasetBytes, epochs, source, cache } = question;
  const needed = gpus * bytesPerSecondPerGpu;
  const sourceRate = rateOf(source, readBytes);
  const cacheRate = cache ? rateOf(cache, readBytes) : 0;
  const hit = cache?.hit ?? 0;
  const fed = datasetBytes / needed;
  const fromSource = ((1 - hit) * datasetBytes) / sourceRate;
  const fromCache = hit > 0 ? (hit * datasetBytes) / cacheRate : 0;
  const first = Math.max(fed, datasetBytes / sourceRate);
  const later = Math.max(fed, fromSource, fromCache);
  const seconds = first + (epochs - 1) * later;
  const judged = epochs === 1 ? first : later;
  // What just feeds them does, whatever the last digit says.
  const waitsFor =
    judged <= fed * (1 + 1e-9) ? "nothing" : epochs > 1 && fromCache > fromSource ? "cache" : "source";
  const idle = Math.max(0, seconds - epochs * fed);
  const least = Math.max(0, 1 - sourceRate / needed);
  const canFeed = least === 0 || (cache !== undefined && least * needed <= cacheRate);
  return {
    neededBytesPerSecond: needed,
    sourceBytesPerSecond: sourceRate,
    cacheBytesPerSecond: cacheRate,
    fedEpochSeconds: fed,
    firstEpochSeconds: first,
    laterEpochSeconds: later,
    seconds,
    idleShare: idle / seconds,
    idleGpuHours: (idle * gpus) / 3600,
    gpuHours: (seconds * gpus) / 3600,
    waitsFor,
    ...(canFeed ? { hitThatFeeds: least } : {}),
  };
}
