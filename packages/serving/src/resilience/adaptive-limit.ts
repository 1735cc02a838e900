import type { RunPriority } from "../batching/job-queue.ts";

export interface AdaptiveLimitSettings {
  /** Most requests in flight, whatever the waits are. */
  readonly most: number;
  /** Longest time, in milliseconds, that everybody may wait for the model without the limit being lowered. */
  readonly targetWaitMs: number;
}

const least = 4;
const intervalMs = 100;
const decrease = 0.8;
/** Intervals at the least limit after which a wait that is still too long is no queue of this model's. */
const hopeless = 10;
/** Share of the limit that each priority may fill: the lower ones are turned away first. */
const shares: Readonly<Record<RunPriority, number>> = { high: 1, normal: 0.95, low: 0.75 };

/**
 * How many requests may be under way at once, found by how long they wait for their turn. As in CoDel it is the shortest wait of an
 * interval that counts: a burst that drains is no overload, a wait that nobody escapes is. The target comes from the
 * charter's latency, not from what was measured before, so that a long overload does not become the new normal. Where even a handful waits too long,
 * what waits is something else (the event loop, the processor): turning all others away frees nothing, and all may come again.
 */
export class AdaptiveLimit {
  readonly #settings: AdaptiveLimitSettings;
  #limit: number;
  #inFlight = 0;
  #intervalEndMs = 0;
  #shortestWaitMs = Number.POSITIVE_INFINITY;
  #wasFull = false;
  #atLeast = 0;

  constructor(settings: AdaptiveLimitSettings) {
    this.#settings = settings;
    this.#limit = settings.most;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether one more could come now. @param share of the room, 0 to 1: less for those that have less of their time left */
  hasRoom(priority: RunPriority, share = 1): boolean {
    if (this.#inFlight < Math.max(1, this.#limit * shares[priority] * share)) return true;
    this.#wasFull = true;
    return false;
  }

  /** Whether one more may come; who may has to `release`. */
  acquire(priority: RunPriority): boolean {
    if (!this.hasRoom(priority)) return false;
    this.#inFlight++;
    return true;
  }

  /** @param waitMs how long the request waited for its turn; `undefined` when it never had one */
  release(waitMs: number | undefined, nowMs: number): void {
    this.#inFlight--;
    if (waitMs !== undefined && waitMs < this.#shortestWaitMs) this.#shortestWaitMs = waitMs;
    if (nowMs >= this.#intervalEndMs) this.#adapt(nowMs);
  }

  #adapt(nowMs: number): void {
    const { most, targetWaitMs } = this.#settings;
    const shortest = this.#shortestWaitMs;
    if (shortest < Number.POSITIVE_INFINITY) {
      this.#atLeast = shortest > targetWaitMs && this.#limit <= least ? this.#atLeast + 1 : 0;
      if (this.#atLeast >= hopeless) this.#limit = most;
      else if (shortest > targetWaitMs) this.#limit = Math.max(least, this.#limit * decrease);
      else if (this.#wasFull) this.#limit += Math.max(1, Math.sqrt(this.#limit) / 2);
      else this.#limit = Math.max(this.#limit, Math.min(most, this.#inFlight * 2));
    }
    this.#limit = Math.min(most, this.#limit);
    this.#intervalEndMs = nowMs + intervalMs;
    this.#shortestWaitMs = Number.POSITIVE_INFINITY;
    this.#wasFull = false;
  }
}
