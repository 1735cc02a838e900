import type { Bucket } from "./bucket.ts";
import type { LayeredLimit, LimitLayer, Taken } from "./layered-limit.ts";
import { NewsQueue, type TakeRequest } from "./news-queue.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { CountAnswer, CountedBucket, SharedCounts } from "./shared-counts.ts";

export interface SharedLimitsOptions {
  readonly limiter: RateLimiter;
  readonly counts: SharedCounts;
  /** One lease: this many milliseconds of a ceiling, at least one unit, may be taken before the others are told. */
  readonly leaseMs: number;
  /** Gateways to reckon with before any was heard of; the least while counting apart. */
  readonly gateways: number;
  /** Monotonic milliseconds, the clock that `take` sees. */
  readonly nowMs: () => number;
  readonly onChange?: (status: SharedLimitsStatus, reason: string) => void;
}

export interface SharedLimitsStatus {
  readonly isTogether: boolean;
  /** Among which the limits are divided while counting apart. */
  readonly gateways: number;
  readonly exchanges: number;
  readonly failures: number;
}

const heartbeatMs = 1000;
const probeMs = 100;
/** Buckets in one round trip: a script holds the store for as long as it runs. */
const mostBuckets = 256;
/** A late tick may be our own doing: the answer then lies in the socket, and is read before the next one. */
const lateTicks = 2;

interface Sent {
  readonly bucket: Bucket;
  readonly units: number;
}

/**
 * Gateways that count together. Each admits by its own copy of the common arrival times and tells the others within a fifth of a lease,
 * or as soon as half a lease is taken; nobody runs ahead by more than one lease. So N gateways admit at most burst + rate · t +
 * N leases in any time t. When nobody answers they count apart, each as one of those last heard of, and join again by themselves.
 */
export class SharedLimits {
  readonly #options: SharedLimitsOptions;
  readonly #touched = new Set<Bucket>();
  readonly #queue = new NewsQueue();
  #isTogether = false;
  #gateways: number;
  #exchanges = 0;
  #failures = 0;
  /** Grows whenever the gateways part: answers to what was asked before are no longer about the present. */
  #epoch = 0;
  #isAsking = false;
  #askedMs = 0;
  #overdueTicks = 0;
  #soon: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SharedLimitsOptions) {
    this.#options = options;
    this.#gateways = options.gateways;
    options.limiter.part(options.gateways);
  }

  get status(): SharedLimitsStatus {
    return {
      isTogether: this.#isTogether,
      gateways: this.#gateways,
      exchanges: this.#exchanges,
      failures: this.#failures,
    };
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), Math.max(5, this.#options.leaseMs / 5)).unref();
    this.#tick();
  }

  close(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#soon);
    this.#touched.clear();
    // Nobody is left waiting for an answer that is not asked for any more.
    this.#options.limiter.part(this.#gateways);
    this.#queue.retry(this.#options.nowMs());
  }

  /**
   * For a request that `limit.take` refused because it `needsNews`: takes as soon as the others were heard, about a round trip later, and by the
   * local part when they part. Refused after `patienceMs`, else as the limits say. Never rejects.
   *
   * One that is dearer than a lease is taken in the store itself: each of its kind would need an exchange of its own, one after the
   * other, and so they go side by side.
   */
  awaitNews(limit: LayeredLimit, request: TakeRequest): Promise<Taken> {
    const { cost, maxWaitMs } = request;
    if (limit.layers.some(({ bucket }) => cost > bucket.current().leaseUnits))
      return this.takeStrictly(limit, cost, maxWaitMs);
    const taken = this.#queue.wait(limit, request, this.#options.nowMs());
    this.#exchangeSoon();
    return taken;
  }

  /**
   * Takes by a round trip: what is admitted conforms over all gateways. While they are apart it is the local part, as for everybody: nobody waits
   * for longer than a lease.
   */
  async takeStrictly(limit: LayeredLimit, cost: number, maxWaitMs: number): Promise<Taken> {
    const { counts, leaseMs, nowMs } = this.#options;
    const askedMs = nowMs();
    // Who is refused by what is known here would be refused there: a flood does not reach the store.
    if (!this.#isTogether || limit.surelyRefuses(askedMs, cost, maxWaitMs))
      return limit.taken(limit.take(askedMs, cost, maxWaitMs));
    const epoch = this.#epoch;
    const buckets = limit.layers.map(({ kind, bucket }) => ({
      ...counted(bucket.current(), cost),
      isSoft: kind === "soft",
    }));
    try {
      const answer = await within(counts.take(buckets, maxWaitMs * 1000), leaseMs, nowMs);
      this.#exchanges++;
      this.#gateways = Math.max(answer.gateways, this.#options.gateways);
      // The gateways parted meanwhile: the local parts know nothing of the store's count, and are asked instead.
      if (epoch !== this.#epoch) return limit.taken(limit.take(nowMs(), cost, maxWaitMs));
      return settleTaken(limit, answer, maxWaitMs, nowMs());
    } catch (error) {
      this.#failures++;
      this.#part(String(error));
      return limit.taken(limit.take(nowMs(), cost, maxWaitMs));
    }
  }

  #tick(): void {
    const nowMs = this.#options.nowMs();
    if (this.#isAsking) {
      const isOverdue = nowMs - this.#askedMs > this.#options.leaseMs;
      this.#overdueTicks = isOverdue ? this.#overdueTicks + 1 : 0;
      if (this.#overdueTicks >= lateTicks) this.#part("no answer within a lease");
      return;
    }
    const sinceMs = nowMs - this.#askedMs;
    const isDue = this.#isTogether
      ? this.#touched.size > 0 || sinceMs >= heartbeatMs
      : this.#exchanges + this.#failures === 0 || sinceMs >= probeMs;
    if (isDue) void this.#exchange(nowMs);
  }

  async #exchange(nowMs: number): Promise<void> {
    this.#isAsking = true;
    this.#askedMs = nowMs;
    this.#overdueTicks = 0;
    const epoch = this.#epoch;
    const sent = this.#batch();
    try {
      const answer = await this.#options.counts.add(sent.map(({ bucket, units }) => counted(bucket, units)));
      this.#exchanges++;
      this.#isAsking = false;
      this.#gateways = Math.max(answer.gateways, this.#options.gateways);
      if (!this.#isTogether) this.#join();
      else if (epoch === this.#epoch) settleAll(sent, answer, this.#options.nowMs());
      this.#queue.retry(this.#options.nowMs());
      if (this.#touched.size > mostBuckets || this.#queue.size > 0) this.#exchangeSoon();
    } catch (error) {
      this.#failures++;
      this.#isAsking = false;
      this.#part(String(error));
    }
  }

  #batch(): Sent[] {
    const sent: Sent[] = [];
    for (const bucket of this.#touched) {
      if (sent.length >= mostBuckets) break;
      this.#touched.delete(bucket);
      sent.push({ bucket, units: bucket.unshared });
    }
    return sent;
  }

  readonly #onTouched = (bucket: Bucket): void => {
    this.#touched.add(bucket);
    if (bucket.unshared * 2 >= bucket.leaseUnits) this.#exchangeSoon();
  };

  #exchangeSoon(): void {
    if (this.#isAsking || this.#soon) return;
    this.#soon = setImmediate(() => {
      this.#soon = undefined;
      if (!this.#isAsking && this.#isTogether) void this.#exchange(this.#options.nowMs());
    });
  }

  #join(): void {
    const { limiter, nowMs, leaseMs, onChange } = this.#options;
    this.#isTogether = true;
    limiter.join(nowMs(), leaseMs, this.#onTouched);
    onChange?.(this.status, "the store of the counts answers");
  }

  #part(reason: string): void {
    this.#epoch++;
    if (!this.#isTogether) return;
    const { limiter, onChange } = this.#options;
    this.#isTogether = false;
    this.#touched.clear();
    limiter.part(this.#gateways);
    this.#queue.retry(this.#options.nowMs());
    onChange?.(this.status, reason);
  }
}

function counted(bucket: Bucket, units: number): CountedBucket {
  return {
    key: bucket.key,
    costMicros: Math.round(units * bucket.intervalMs * 1000),
    toleranceMicros: Math.round(bucket.spec.burst * bucket.intervalMs * 1000),
    knownMicros: bucket.commonMicros,
  };
}

function settleAll(sent: readonly Sent[], answer: CountAnswer, heardMs: number): void {
  sent.forEach(({ bucket, units }, i) => {
    const arrival = answer.arrivalMicros[i];
    if (arrival !== undefined)
      bucket.settleShared(localOf(arrival, answer, heardMs), arrival, units, heardMs);
  });
}

/** An answer was made before it is heard: taking it as made now errs by a round trip, on the strict side. */
function localOf(arrivalMicros: number, { nowMicros }: CountAnswer, heardMs: number): number {
  return heardMs + (arrivalMicros - nowMicros) / 1000;
}

function settleTaken(
  { layers }: LayeredLimit,
  answer: CountAnswer & { readonly waitMicros: readonly number[] },
  maxWaitMs: number,
  heardMs: number,
): Taken {
  let waitMs = 0;
  let isExcess = false;
  let tightest: LimitLayer | undefined = layers[0];
  layers.forEach((layer, i) => {
    const arrival = answer.arrivalMicros[i];
    if (arrival !== undefined)
      layer.bucket.current().settleShared(localOf(arrival, answer, heardMs), arrival, 0, heardMs);
    const layerMs = Math.ceil((answer.waitMicros[i] ?? 0) / 1000);
    if (layer.kind === "soft" && layerMs > 0) isExcess = true;
    else if (layerMs > waitMs) {
      waitMs = layerMs;
      tightest = layer;
    }
  });
  return { waitMs: waitMs > maxWaitMs ? -waitMs : waitMs, isExcess, tightest };
}

/** A timer that fires later than this share of its time says that the process itself was held up. */
const heldUp = 0.2;

/**
 * A process that was held up finds its timers due before it reads its sockets, or even before it wrote to them: it says nothing of the store, and the time
 * begins anew, once.
 * @throws Error when the answer does not come in time; it is then ignored
 */
async function within<T>(answer: Promise<T>, ms: number, nowMs: () => number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const dueMs = nowMs() + ms;
  let timer = setTimeout(() => {
    if (nowMs() - dueMs <= heldUp * ms) late();
    else timer = setTimeout(late, ms);
  }, ms);
  const late = (): void => reject(new Error("no answer within a lease"));
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}
