import { Bucket, type BucketHome, type RateLimitSpec } from "./bucket.ts";

export interface RateLimiterOptions {
  /** Buckets of holders that were active a moment ago; beyond it newcomers share. Default 100,000. */
  readonly maxBuckets?: number;
  /** Gateways that count apart and divide every limit; default 1. */
  readonly gateways?: number;
}

const sweepEveryMs = 1000;
/** Buckets that strangers share while the table is full. */
const sharedBuckets = 256;

/**
 * The limits of one process. A bucket that is full again is forgotten. While the table is full of busy holders,
 * newcomers share a few buckets with each other: nobody's limit is reset by a flood, and memory stays bounded.
 */
export class RateLimiter implements BucketHome {
  readonly #buckets = new Map<string, Bucket>();
  readonly #strangers = new Map<string, Bucket>();
  readonly #maxBuckets: number;
  #nextSweepMs = 0;
  divisor: number;
  leaseMs: number | undefined = undefined;
  #onTouched: ((bucket: Bucket) => void) | undefined;

  constructor(options: RateLimiterOptions = {}) {
    this.#maxBuckets = options.maxBuckets ?? 100_000;
    this.divisor = options.gateways ?? 1;
  }

  /** Buckets in memory. */
  get size(): number {
    return this.#buckets.size + this.#strangers.size;
  }

  /**
   * The bucket of a holder. One key has one bucket, however many handles are kept of it; asking with another spec
   * changes it for all of them.
   * @param key who and where, unique in this process
   */
  bucket(key: string, spec: RateLimitSpec): Bucket {
    const known = this.#buckets.get(key);
    if (known) {
      known.respec(spec);
      return known;
    }
    const made = new Bucket(key, spec, this);
    if (this.#buckets.size < this.#maxBuckets) this.#buckets.set(key, made);
    else made.setListed(false);
    return made;
  }

  /** Forgets what is idle, at most once a second. To be called now and then with the clock that `take` sees. */
  sweep(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + sweepEveryMs;
    for (const buckets of [this.#buckets, this.#strangers])
      for (const [key, bucket] of buckets) {
        if (!bucket.isIdle(nowMs)) continue;
        buckets.delete(key);
        bucket.setListed(false);
      }
  }

  relist(bucket: Bucket): Bucket {
    const { key } = bucket;
    const known = this.#buckets.get(key);
    if (known) return known;
    if (this.#buckets.size >= this.#maxBuckets) return this.#strangerOf(bucket);
    this.#buckets.set(key, bucket);
    bucket.setListed(true);
    return bucket;
  }

  touched(bucket: Bucket): void {
    this.#onTouched?.(bucket);
  }

  /**
   * From now on this gateway counts together with others: `onTouched` hears of every bucket with units that they do not
   * know of, also of those that were taken apart and are not paid off.
   */
  join(nowMs: number, leaseMs: number, onTouched: (bucket: Bucket) => void): void {
    const { divisor } = this;
    this.divisor = 1;
    this.leaseMs = leaseMs;
    this.#onTouched = onTouched;
    for (const bucket of this.#listed()) {
      bucket.rejoin(nowMs, divisor);
      if (bucket.unshared > 0) onTouched(bucket);
    }
  }

  /** From now on this gateway counts alone and takes one of `gateways` parts of every limit. */
  part(gateways: number): void {
    this.divisor = gateways;
    this.leaseMs = undefined;
    this.#onTouched = undefined;
    for (const bucket of this.#listed()) bucket.part();
  }

  *#listed(): Generator<Bucket> {
    yield* this.#buckets.values();
    yield* this.#strangers.values();
  }

  /** Strangers of the same spec and hash meet in one bucket: a flood of new names competes with itself. */
  #strangerOf({ key, spec }: Bucket): Bucket {
    const shared = `\u0000${spec.ratePerSecond}/${spec.burst}/${hashOf(key) % sharedBuckets}`;
    const known = this.#strangers.get(shared);
    if (known) return known;
    const made = new Bucket(shared, spec, this);
    this.#strangers.set(shared, made);
    return made;
  }
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
