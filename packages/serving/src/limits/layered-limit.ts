import type { Bucket } from "./bucket.ts";

/** One of the limits that a request must keep. */
export interface LimitLayer {
  /** Name in the RateLimit header fields: `client`, `tenant`, `endpoint`. */
  readonly policy: string;
  readonly bucket: Bucket;
  /** `soft`: beyond it a request is admitted as excess, and shed before all others when capacity is short. */
  readonly kind: "hard" | "soft";
}

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
    let waitMs = 0;
    // Indices, not iterators: this runs for every request and leaves no garbage.
    for (let i = 0; i < this.layers.length; i++) {
      const layer = this.layers[i] as LimitLayer;
      const layerMs = layer.bucket.waitFor(nowMs, cost);
      if (layer.kind === "soft" && layerMs > 0) this.isExcess = true;
      else if (layerMs > waitMs) {
        waitMs = layerMs;
        this.tightest = layer;
      }
    }
    if (waitMs > maxWaitMs) return -waitMs;
    for (let i = 0; i < this.layers.length; i++) {
      const layer = this.layers[i] as LimitLayer;
      if (layer.kind === "hard" || !this.isExcess) layer.bucket.charge(nowMs, cost);
    }
    return waitMs;
  }

  /** Milliseconds until the request would pass the hard limits; 0 when it would. Charges nothing. */
  waitFor(nowMs: number, cost: number): number {
    let waitMs = 0;
    for (const { kind, bucket } of this.layers)
      if (kind === "hard") waitMs = Math.max(waitMs, bucket.waitFor(nowMs, cost));
    return waitMs;
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
