/** A limit as GCRA wants it. */
export interface RateLimitSpec {
  readonly ratePerSecond: number;
  readonly burst: number;
}

export interface RateDecision {
  readonly allowed: boolean;
  /** Requests that would still pass at this instant. */
  readonly remaining: number;
  /** Until the full burst is available again. */
  readonly resetMs: number;
  /** Until the next request passes; 0 when this one did. */
  readonly retryAfterMs: number;
}

/**
 * Generic cell rate algorithm: the state of a client is one number, the theoretical arrival time. Pure.
 *
 * @param arrival theoretical arrival time in milliseconds on the caller's clock; 0 for a new client
 */
export function decideRate(
  arrival: number,
  nowMs: number,
  spec: RateLimitSpec,
): { readonly decision: RateDecision; readonly arrival: number } {
  const interval = 1000 / spec.ratePerSecond;
  const tolerance = interval * (spec.burst - 1);
  const base = Math.max(arrival, nowMs);
  const allowed = base - nowMs <= tolerance + 1e-6;
  const next = allowed ? base + interval : arrival;
  return {
    arrival: next,
    decision: {
      allowed,
      remaining: Math.max(0, Math.floor((tolerance + interval - (next - nowMs)) / interval + 1e-6)),
      resetMs: Math.max(0, next - nowMs),
      retryAfterMs: allowed ? 0 : Math.max(1, Math.ceil(base - nowMs - tolerance)),
    },
  };
}

/** Limits of one process. Clients that are idle for longer than their burst cost no memory. */
export class RateLimiter {
  readonly #arrivals = new Map<string, number>();
  readonly #maxClients: number;
  #nextSweepMs = 0;

  constructor(maxClients = 100_000) {
    this.#maxClients = maxClients;
  }

  /** @param nowMs monotonic milliseconds */
  take(key: string, spec: RateLimitSpec, nowMs: number): RateDecision {
    if (nowMs >= this.#nextSweepMs || this.#arrivals.size >= this.#maxClients) this.#sweep(nowMs);
    const { decision, arrival } = decideRate(this.#arrivals.get(key) ?? 0, nowMs, spec);
    this.#arrivals.set(key, arrival);
    return decision;
  }

  #sweep(nowMs: number): void {
    this.#nextSweepMs = nowMs + 1000;
    for (const [key, arrival] of this.#arrivals) if (arrival <= nowMs) this.#arrivals.delete(key);
    // Still full of busy clients: the oldest entries go, and those clients start with a fresh burst.
    for (const key of this.#arrivals.keys()) {
      if (this.#arrivals.size < this.#maxClients) break;
      this.#arrivals.delete(key);
    }
  }
}

/** The IETF RateLimit header fields, with `Retry-After` when refused. */
export function rateLimitHeaders(decision: RateDecision, spec: RateLimitSpec): Record<string, string> {
  const window = Math.max(1, Math.ceil(spec.burst / spec.ratePerSecond));
  return {
    "ratelimit-policy": `"charter";q=${spec.burst};w=${window}`,
    ratelimit: `"charter";r=${decision.remaining};t=${Math.ceil(decision.resetMs / 1000)}`,
    ...(decision.allowed
      ? {}
      : { "retry-after": String(Math.max(1, Math.ceil(decision.retryAfterMs / 1000))) }),
  };
}
