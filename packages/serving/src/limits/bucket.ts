/** A limit as GCRA wants it. Units are whatever the asker counts: requests, rows, tokens. */
export interface RateLimitSpec {
  /** Sustained, above 0. */
  readonly ratePerSecond: number;
  /** Units at once, at least 1. */
  readonly burst: number;
}

/** What a bucket needs of the limiter that made it. */
export interface BucketHome {
  /**
   * Gateways that a limit is divided by while they cannot count together: each charges its own units that many times.
   * 1 while they count together, or when there is only one.
   */
  readonly divisor: number;
  /** Milliseconds of the ceiling that may be taken before the others are asked; `undefined`: nobody else counts. */
  readonly leaseMs: number | undefined;
  /** The bucket that is listed under this one's key now; lists this one when none is. */
  relist(bucket: Bucket): Bucket;
  /** Called when a bucket has units that the others do not know of, or wants to know of theirs. */
  touched(bucket: Bucket): void;
}

/** Rounding of milliseconds as doubles must refuse nobody who waited as long as he was told. */
const epsilonMs = 1e-6;
/** What adding and taking off the same units leaves of them. */
const epsilonUnits = 1e-6;

/**
 * One limit of one holder by the generic cell rate algorithm: its state is one number, the theoretical arrival time.
 * `take` allocates nothing and does no string work, so that the hot path may keep the handle as long as it likes; a
 * bucket that was idle long enough to be full is forgotten by its limiter, and found again at the next `take`.
 */
export class Bucket {
  readonly key: string;
  readonly #home: BucketHome;
  #spec: RateLimitSpec;
  #intervalMs: number;
  #toleranceMs: number;
  /** Theoretical arrival time in milliseconds on the caller's monotonic clock. */
  #arrivalMs = 0;
  /** Units admitted that the others do not know of yet; only counted where gateways count together. */
  #unshared = 0;
  /** The arrival time when this gateway began to count apart. */
  #partedMs = 0;
  #isListed = true;
  /** The common arrival time as last heard, on the clock of whoever counts; 0 before. */
  commonMicros = 0;
  /** When that was heard, on the local monotonic clock. */
  #heardMs = Number.NEGATIVE_INFINITY;
  /** A request waits to hear of this bucket, and goes first. Set by the queue of those who wait alone. */
  isAwaited = false;

  constructor(key: string, spec: RateLimitSpec, home: BucketHome) {
    this.key = key;
    this.#home = home;
    this.#spec = spec;
    this.#intervalMs = 1000 / spec.ratePerSecond;
    this.#toleranceMs = this.#intervalMs * spec.burst;
  }

  get spec(): RateLimitSpec {
    return this.#spec;
  }

  /** A charter signed anew changes the limit of a bucket that is in use; what was taken stays taken. */
  respec(spec: RateLimitSpec): void {
    if (spec === this.#spec) return;
    this.#spec = spec;
    this.#intervalMs = 1000 / spec.ratePerSecond;
    this.#toleranceMs = this.#intervalMs * spec.burst;
  }

  /**
   * Takes `cost` units if they conform.
   * @param nowMs monotonic milliseconds
   * @param cost above 0; more than the burst conforms only while the bucket is full, and is paid off afterwards
   * @param maxWaitMs how long the asker would wait for its turn
   * @returns 0: admitted; n > 0: admitted, and its turn comes in n ms; n < 0: refused, the same would pass in −n ms
   */
  take(nowMs: number, cost = 1, maxWaitMs = 0): number {
    const bucket = this.current();
    const waitMs = bucket.waitFor(nowMs, cost);
    if (waitMs > maxWaitMs) return -waitMs;
    bucket.charge(nowMs, cost);
    return waitMs;
  }

  /** Whole milliseconds until `cost` units would conform; 0 when they do. Charges nothing. */
  waitFor(nowMs: number, cost: number): number {
    const bucket = this.current();
    const aheadMs = bucket.#arrivalMs > nowMs ? bucket.#arrivalMs - nowMs : 0;
    const wantedMs = cost * bucket.#intervalMs * bucket.#home.divisor;
    const excessMs = wantedMs > bucket.#toleranceMs ? aheadMs : aheadMs + wantedMs - bucket.#toleranceMs;
    return excessMs <= epsilonMs ? 0 : Math.ceil(excessMs);
  }

  /**
   * Whether `cost` units would run ahead of the others by more than one lease, or by more than themselves where they are dearer; or somebody
   * waits for that already. Says nothing about the limit: once the others know what was taken, the same may pass.
   */
  lacksLease(cost: number): boolean {
    const bucket = this.current();
    if (bucket.#home.leaseMs === undefined) return false;
    if (bucket.isAwaited) return true;
    // Units that were given back run ahead of nobody.
    return bucket.#unshared > 0 && bucket.#unshared + cost > bucket.leaseUnits;
  }

  /** Takes `cost` units whether they conform or not; a negative cost gives units back. */
  charge(nowMs: number, cost: number): void {
    const bucket = this.current();
    const from = bucket.#arrivalMs > nowMs ? bucket.#arrivalMs : nowMs;
    bucket.#arrivalMs = from + cost * bucket.#intervalMs * bucket.#home.divisor;
    if (bucket.#home.leaseMs === undefined) return;
    bucket.#unshared += cost;
    bucket.#home.touched(bucket);
  }

  /** Whether the others were last heard of longer ago than a lease: what they gave back since is not known here. */
  isStale(nowMs: number): boolean {
    const bucket = this.current();
    const { leaseMs } = bucket.#home;
    return leaseMs !== undefined && nowMs - bucket.#heardMs > leaseMs;
  }

  /** Asks how the bucket stands, with the next exchange, though there is nothing to tell. */
  ask(): void {
    const bucket = this.current();
    if (bucket.#home.leaseMs !== undefined) bucket.#home.touched(bucket);
  }

  /** Units that would still pass at this instant. */
  remaining(nowMs: number): number {
    const bucket = this.current();
    const aheadMs = Math.max(0, bucket.#arrivalMs - nowMs);
    const stepMs = bucket.#intervalMs * bucket.#home.divisor;
    return Math.max(0, Math.floor((bucket.#toleranceMs - aheadMs) / stepMs + epsilonMs));
  }

  /** Milliseconds until the whole burst is there again. */
  resetMs(nowMs: number): number {
    return Math.max(0, this.current().#arrivalMs - nowMs);
  }

  /** Full again: forgetting it changes nothing for anybody. */
  isIdle(nowMs: number): boolean {
    return this.#arrivalMs <= nowMs && this.#unshared === 0;
  }

  /** Called by the limiter alone, when it forgets or finds this bucket. */
  setListed(isListed: boolean): void {
    this.#isListed = isListed;
  }

  /** This bucket, or the one that took its place after it was forgotten. */
  current(): Bucket {
    return this.#isListed ? this : this.#home.relist(this);
  }

  /** What the gateways that count together need of a bucket. Called by their coordinator alone. */
  get unshared(): number {
    return this.#unshared;
  }

  /** Theoretical arrival time on the local monotonic clock. */
  get arrivalMs(): number {
    return this.#arrivalMs;
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** The most units that are taken before the others are asked: one lease. At least one unit. */
  get leaseUnits(): number {
    const { leaseMs } = this.#home;
    return leaseMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, leaseMs / this.#intervalMs);
  }

  /**
   * The common arrival time, in which `shared` of this bucket's units are counted.
   * @param arrivalMs on the local monotonic clock
   * @param commonMicros the same, on the clock of whoever counts
   * @param heardMs when it was heard
   */
  settleShared(arrivalMs: number, commonMicros: number, shared: number, heardMs: number): void {
    this.#heardMs = heardMs;
    this.#unshared -= shared;
    if (Math.abs(this.#unshared) < epsilonUnits) this.#unshared = 0;
    this.#arrivalMs = arrivalMs + this.#unshared * this.#intervalMs;
    this.commonMicros = commonMicros;
  }

  /** From now on this gateway counts apart: what the others were not told of stays in its own arrival time. */
  part(): void {
    this.#unshared = 0;
    this.#partedMs = this.#arrivalMs;
  }

  /**
   * Counts together again after counting apart as one of `divisor`: what was taken meanwhile and is not paid off yet is told to the
   * others. What was taken before they know.
   */
  rejoin(nowMs: number, divisor: number): void {
    const fromMs = Math.max(nowMs, this.#partedMs);
    const aheadMs = Math.max(0, this.#arrivalMs - fromMs) / divisor;
    this.#arrivalMs = fromMs + aheadMs;
    this.#unshared = aheadMs / this.#intervalMs;
  }
}
