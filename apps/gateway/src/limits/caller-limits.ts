import {
  callerLimit,
  type LayeredLimit,
  longestTurnMs,
  type RateLimiter,
  rateLimitPolicy,
  rateLimitStanding,
  retryAfterSeconds,
  type SharedLimits,
} from "@portolan/serving/policy";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import { Limited, quotaExceeded } from "./limited.ts";

/** A caller's limits at one route, ready for the hot path: keep it for as long as the route is in force. */
export interface CallerLimit {
  readonly limit: LayeredLimit;
  /** The `RateLimit-Policy` field; never changes. */
  readonly policy: string;
  readonly maxWaitMs: number;
  readonly countsRows: boolean;
  /** Whether each request is counted by a round trip: then `takeStrictly`, else `take`. */
  readonly isStrict: boolean;
}

/** Thrown with the headers that tell the client when to come back. */
export class RateLimited extends Limited {
  constructor({ limit, policy }: CallerLimit, nowMs: number, waitMs: number) {
    const seconds = retryAfterSeconds(waitMs);
    const violated = limit.tightest?.policy ?? "client";
    super("serving.rate_limited", {
      detail: `The limit of this ${violated} is used up.`,
      mend: `Wait ${seconds} s, or ask for a higher ceiling in the charter.`,
      problemType: quotaExceeded,
      violatedPolicies: [violated],
      headers: {
        "ratelimit-policy": policy,
        ratelimit: rateLimitStanding(limit, nowMs),
        "retry-after": seconds,
      },
    });
  }
}

export interface CallerLimitsOptions {
  /** True where something sheds requests by priority: then excess of a `shed` ceiling is admitted, marked. Default false. */
  readonly takesExcess?: boolean;
  /** Where gateways count together; needed for strict counting over several. */
  readonly shared?: SharedLimits;
}

/** Limits by route and caller. What a route's snapshot takes away goes with the route. */
export class CallerLimits {
  readonly #limiter: RateLimiter;
  readonly #takesExcess: boolean;
  readonly #shared: SharedLimits | undefined;
  readonly #byRoute = new WeakMap<ActiveRoute, Map<string, CallerLimit>>();

  constructor(limiter: RateLimiter, { takesExcess = false, shared }: CallerLimitsOptions = {}) {
    this.#limiter = limiter;
    this.#takesExcess = takesExcess;
    this.#shared = shared;
  }

  /** Looks the handle up; the callers of a route are as many as its grants, no more. */
  of(state: ServingState, active: ActiveRoute, principalId: string): CallerLimit {
    const byCaller = this.#byRoute.get(active) ?? new Map<string, CallerLimit>();
    this.#byRoute.set(active, byCaller);
    const known = byCaller.get(principalId);
    if (known) return known;
    const { organisationId, environment, endpoint, limits } = active.route;
    const principal = state.grants.get(environment)?.principals.get(principalId);
    const tenantId = principal?.businessUnitId ?? organisationId;
    const limit = callerLimit(this.#limiter, limits, {
      organisationId,
      environment,
      endpoint,
      tenantId,
      principalId,
    });
    const unit = limits.weight ?? "requests";
    const made = {
      limit,
      policy: rateLimitPolicy(limit, unit),
      maxWaitMs: longestTurnMs(limits),
      countsRows: unit === "rows",
      isStrict: limits.counting === "strict" && this.#shared !== undefined,
    };
    byCaller.set(principalId, made);
    return made;
  }

  /**
   * Takes one unit. `own.limit.isExcess` says afterwards whether the request is the first to be shed.
   * @returns milliseconds until the request's turn, 0 at once
   * @throws RateLimited
   */
  take(own: CallerLimit, nowMs: number): number {
    this.#limiter.sweep(nowMs);
    return this.#judge(own, nowMs, own.limit.take(nowMs, 1, own.maxWaitMs));
  }

  /**
   * Takes one unit by a round trip, so that all gateways together keep the ceiling.
   * @returns as `take`
   * @throws RateLimited
   */
  async takeStrictly(own: CallerLimit, nowMs: number): Promise<number> {
    if (!this.#shared) return this.take(own, nowMs);
    this.#limiter.sweep(nowMs);
    return this.#judge(own, nowMs, await this.#shared.takeStrictly(own.limit, 1, own.maxWaitMs));
  }

  #judge(own: CallerLimit, nowMs: number, waitMs: number): number {
    const { limit } = own;
    if (waitMs < 0) throw new RateLimited(own, nowMs, -waitMs);
    if (!limit.isExcess || this.#takesExcess) return waitMs;
    const endpoint = limit.layers.at(-1);
    limit.tightest = endpoint;
    throw new RateLimited(own, nowMs, endpoint?.bucket.waitFor(nowMs, 1) ?? 1);
  }
}

/** The standard header fields of an answer within the limits. */
export function rateHeaders({ limit, policy }: CallerLimit, nowMs: number): Record<string, string> {
  return { "ratelimit-policy": policy, ratelimit: rateLimitStanding(limit, nowMs) };
}
