import type { Bucket } from "./bucket.ts";
import type { LayeredLimit, Taken } from "./layered-limit.ts";

/** What is asked of a limit, by a request that can wait. */
export interface TakeRequest {
  /** Units, above 0. */
  readonly cost: number;
  /** How long the request would wait for its turn, beside what it waits to be told. */
  readonly maxWaitMs: number;
  /** Until when an answer is of use to it, from now. */
  readonly patienceMs: number;
}

interface Waiter extends TakeRequest {
  readonly limit: LayeredLimit;
  readonly resolve: (taken: Taken) => void;
}

/**
 * Requests that need to hear of the other gateways first: the limits would let them pass and the lease is spent, or refuse them by what is
 * known from longer ago than a lease. For each bucket first come, first served, also before those that come later and want less: a dear request
 * is overtaken by no stream of cheap ones.
 */
export class NewsQueue {
  readonly #waiters = new Set<Waiter>();
  readonly #awaited = new Set<Bucket>();

  /** Requests that wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Joins the queue, and asks for the buckets. Never rejects; who waits longer than he can is refused. */
  wait(limit: LayeredLimit, request: TakeRequest, nowMs: number): Promise<Taken> {
    const { promise, resolve } = Promise.withResolvers<Taken>();
    const waiter: Waiter = { ...request, limit, resolve };
    this.#waiters.add(waiter);
    this.#mark(waiter, nowMs);
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter);
      resolve({ waitMs: -1, isExcess: false, tightest: limit.tightest });
    }, request.patienceMs);
    return promise.finally(() => clearTimeout(timer));
  }

  /** To be called whenever something was heard: admits or refuses who can be, in the order in which they came. */
  retry(nowMs: number): void {
    for (const bucket of this.#awaited) bucket.isAwaited = false;
    this.#awaited.clear();
    for (const waiter of this.#waiters) {
      const { limit, cost, maxWaitMs, resolve } = waiter;
      const waitMs = limit.take(nowMs, cost, maxWaitMs);
      if (limit.needsNews) this.#mark(waiter, nowMs);
      else {
        this.#waiters.delete(waiter);
        resolve(limit.taken(waitMs));
      }
    }
  }

  #mark(waiter: Waiter, nowMs: number): void {
    for (const bucket of waiter.limit.unsure(nowMs, waiter)) {
      bucket.isAwaited = true;
      this.#awaited.add(bucket);
      bucket.ask();
    }
  }
}
