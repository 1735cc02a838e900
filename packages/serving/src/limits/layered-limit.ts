import type { Bucket } from "./bucket.ts";

/** One of the limits that a request must keep. */
export interface LimitLayer {
  /** Name in the RateLimit header fields: `client`, `tenant`, `endpoint`. */
  readonly policy: string;
  readonly bucket: Bucket;
  /** `soft`: beyond it a request is admitted as excess, and shed before all others when capacity is short. */
  readonly kind: "hard" | "soft";
}

/** What came of a request. The limit's own fields may speak of a later one, once anybody was waited for. */
export interface Taken {
  /** 0: admitted; n > 0: admitted, and its turn comes in n ms; n < 0: refused, the same would pass in −n ms. */
  readonly waitMs: number;
  /** Admitted beyond a soft limit. */
  readonly isExcess: boolean;
  /** The layer that refused it, or that is the scarcest. */
  readonly tightest: LimitLayer | undefined;
}

/** What a request is told that needs news and does not wait for it: about a round trip to the others. */
const leaseWaitMs = 5;

/**
 * Several limits as one: a request is charged to all of them or to none, so that what one refuses costs nothing at the
 * others. `take` allocates nothing; the fields say what came of the last one.
 */
export class LayeredLimit {
  readonly layers: readonly LimitLayer[];
  /** The layer that refused the last request, or that leaves the least of its burst. */
  tightest: LimitLayer | undefined;
  /** True when the last request was admitted beyond a soft limit: its priority is the lowest. */
  isExcess = false;
  /**
   * True when the last request was refused for nothing but what the others have to be asked for: a lease that is spent, or old news of what
   * they took. `SharedLimits.awaitNews` waits for it.
   */
  needsNews = false;

  constructor(layers: readonly LimitLayer[]) {
    this.layers = layers;
    this.tightest = layers[0];
  }

  /**
   * @param nowMs monotonic milliseconds
   * @param cost units, above 0
   * @param maxWaitMs how long the request would wait for its turn
   * @returns 0: admitted; n > 0: admitted, and its turn comes in n ms; n < 0: refused, the same would pass in −n ms
   */
  take(nowMs: number, cost = 1, maxWaitMs = 0): number {
    this.isExcess = false;
    this.needsNews = false;
    let waitMs = 0;
    let isSure = false;
    // Indices, not iterators: this runs for every request and leaves no garbage.
    for (let i = 0; i < this.layers.length; i++) {
      const layer = this.layers[i] as LimitLayer;
      const { bucket } = layer;
      const layerMs = bucket.waitFor(nowMs, cost);
      if (layer.kind === "soft" && layerMs > 0) {
        this.isExcess = true;
        if (bucket.isStale(nowMs)) bucket.ask();
        continue;
      }
      if (layerMs > waitMs) {
        waitMs = layerMs;
        this.tightest = layer;
      }
      if (layerMs > maxWaitMs) {
        if (bucket.isStale(nowMs)) this.needsNews = true;
        else isSure = true;
      } else if (bucket.lacksLease(cost)) this.needsNews = true;
    }
    if (isSure) this.needsNews = false;
    if (waitMs > maxWaitMs) return -waitMs;
    if (this.needsNews) return -leaseWaitMs;
    for (let i = 0; i < this.layers.length; i++) {
      const layer = this.layers[i] as LimitLayer;
      if (layer.kind === "hard" || !this.isExcess) layer.bucket.charge(nowMs, cost);
    }
    return waitMs;
  }

  /** The last request's outcome, to be kept. @param waitMs what `take` returned */
  taken(waitMs: number): Taken {
    return { waitMs, isExcess: this.isExcess, tightest: this.tightest };
  }

  /** Whether the hard limits refuse the request by what was heard within the last lease. Charges nothing. */
  surelyRefuses(nowMs: number, cost: number, maxWaitMs: number): boolean {
    return this.layers.some(
      ({ kind, bucket }) =>
        kind === "hard" && bucket.waitFor(nowMs, cost) > maxWaitMs && !bucket.isStale(nowMs),
    );
  }

  /** The buckets of which a request that needs news has to hear. */
  *unsure(nowMs: number, { cost, maxWaitMs }: { cost: number; maxWaitMs: number }): Generator<Bucket> {
    for (const { bucket } of this.layers) {
      const refuses = bucket.waitFor(nowMs, cost) > maxWaitMs;
      if (refuses ? bucket.isStale(nowMs) : bucket.lacksLease(cost)) yield bucket.current();
    }
  }

  /**
   * Corrects what was taken by what was used. Never refuses: more becomes a debt that is paid off first.
   * @param wasExcess `isExcess` of the request: what was not charged is not corrected
   */
  settle(nowMs: number, taken: number, used: number, wasExcess = false): void {
    if (taken === used) return;
    for (const { kind, bucket } of this.layers)
      if (!(kind === "soft" && wasExcess)) bucket.charge(nowMs, used - taken);
  }
}
