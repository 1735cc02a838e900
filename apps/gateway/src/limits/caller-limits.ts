import {
  callerLimit,
  callerTokens,
  type LayeredLimit,
  type LimitLayer,
  longestTurnMs,
  type RateLimiter,
  rateLimitPolicy,
  rateLimitStanding,
  retryAfterSeconds,
  type SharedLimits,
  type Taken,
  type TakeRequest,
} from "@portolan/serving/policy";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import type { Standing, Standings } from "./extraction/standings.ts";
import { abnormalUsageDetected, Limited, quotaExceeded } from "./limited.ts";

/** A caller's limits at one route, ready for the hot path: keep it for as long as the route is in force. */
export interface CallerLimit {
  /** Business unit of the caller, else its organisation: who shares a part of the ceiling, and of the traffic. */
  readonly tenantId: string;
  readonly limit: LayeredLimit;
  /** The `RateLimit-Policy` field; never changes. */
  readonly policy: string;
  readonly maxWaitMs: number;
  readonly countsRows: boolean;
  /** Budgets of text; absent where the charter bounds no tokens. */
  readonly tokens?: LayeredLimit;
  /** Whether each request, and its tokens, are counted by a round trip. */
  readonly isStrict: boolean;
  /** How long a request may wait to be told whether it passes: the charter's timeout. */
  readonly patienceMs: number;
  /** What the caller's way of asking has brought it; changes under our hands. */
  readonly standing: Standing | undefined;
}

/** Thrown with the headers that tell the client when to come back. */
export class RateLimited extends Limited {
  constructor(
    { limit, policy, standing }: CallerLimit,
    nowMs: number,
    waitMs: number,
    tightest: LimitLayer | undefined,
  ) {
    const seconds = retryAfterSeconds(waitMs);
    const violated = tightest?.policy ?? "client";
    const isSlowed = standing?.action === "slow" && standing.untilMs > nowMs;
    super("serving.rate_limited", {
      detail: `The limit of this ${violated} is used up.`,
      mend: `Wait ${seconds} s, or ask for a higher ceiling in the charter.`,
      problemType: isSlowed ? abnormalUsageDetected : quotaExceeded,
      violatedPolicies: isSlowed ? [violated, "extraction"] : [violated],
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
  /** Where the way of asking is watched. */
  readonly standings?: Standings | undefined;
}

/** What a request of a slowed caller costs: it keeps a tenth of its limits. */
const slowedCost = 10;

/** Limits by route and caller. What a route's snapshot takes away goes with the route. */
export class CallerLimits {
  readonly #limiter: RateLimiter;
  readonly #takesExcess: boolean;
  readonly #shared: SharedLimits | undefined;
  readonly #standings: Standings | undefined;
  readonly #byRoute = new WeakMap<ActiveRoute, Map<string, CallerLimit>>();

  constructor(limiter: RateLimiter, { takesExcess = false, shared, standings }: CallerLimitsOptions = {}) {
    this.#limiter = limiter;
    this.#takesExcess = takesExcess;
    this.#shared = shared;
    this.#standings = standings;
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
    const holder = { organisationId, environment, endpoint, tenantId, principalId };
    const limit = callerLimit(this.#limiter, limits, holder);
    const tokens = callerTokens(this.#limiter, limits, holder);
    const unit = limits.weight ?? "requests";
    const made = {
      tenantId,
      limit,
      policy: rateLimitPolicy(limit, unit),
      maxWaitMs: longestTurnMs(limits),
      countsRows: unit === "rows",
      ...(tokens ? { tokens } : {}),
      patienceMs: limits.timeoutMs,
      isStrict: limits.counting === "strict" && this.#shared !== undefined,
      standing: this.#standings?.of(active.route.endpointId, principalId),
    };
    byCaller.set(principalId, made);
    return made;
  }

  /**
   * Takes a request's unit: at once, or, where it is counted strictly or the other gateways have to be heard first, when it is known what the other gateways took.
   * @throws RateLimited, at once or by the promise
   */
  take(own: CallerLimit, nowMs: number): Turn | Promise<Turn> {
    this.#limiter.sweep(nowMs);
    const { limit, maxWaitMs, patienceMs } = own;
    const request = { cost: costOf(own, nowMs), maxWaitMs, patienceMs };
    const taken = this.#take(own, limit, request, nowMs);
    return taken instanceof Promise
      ? taken.then((known) => this.#turnOf(own, known, performance.now()))
      : this.#turnOf(own, taken, nowMs);
  }

  /**
   * Takes tokens out of the caller's budgets, as `take` does units; nothing where the charter bounds none.
   * @param cost tokens, above 0
   * @param patienceMs how long the request may wait to be told
   */
  takeTokens(
    own: CallerLimit,
    nowMs: number,
    cost: number,
    patienceMs: number,
  ): Taken | Promise<Taken> | undefined {
    return own.tokens && this.#take(own, own.tokens, { cost, maxWaitMs: 0, patienceMs }, nowMs);
  }

  #take(
    { isStrict }: CallerLimit,
    limit: LayeredLimit,
    request: TakeRequest,
    nowMs: number,
  ): Taken | Promise<Taken> {
    const { cost, maxWaitMs } = request;
    if (isStrict && this.#shared) return this.#shared.takeStrictly(limit, cost, maxWaitMs);
    const waitMs = limit.take(nowMs, cost, maxWaitMs);
    return limit.needsNews && this.#shared
      ? this.#shared.awaitNews(limit, request)
      : waitMs === 0 && !limit.isExcess
        ? atOnce
        : limit.taken(waitMs);
  }

  #turnOf(own: CallerLimit, { waitMs, isExcess, tightest }: Taken, nowMs: number): Turn {
    if (waitMs < 0) throw new RateLimited(own, nowMs, -waitMs, tightest);
    if (!isExcess || this.#takesExcess) return waitMs === 0 && !isExcess ? atOnce : { waitMs, isExcess };
    const endpoint = own.limit.layers.at(-1);
    throw new RateLimited(own, nowMs, endpoint?.bucket.waitFor(nowMs, 1) ?? 1, endpoint);
  }
}

/** When a request that passed may go on, in milliseconds from now, and whether it is the first to be shed. */
export type Turn = Pick<Taken, "waitMs" | "isExcess">;

/** What nearly every request gets, so that it leaves no garbage. */
const atOnce: Taken = { waitMs: 0, isExcess: false, tightest: undefined };

/** @throws Limited `serving.abnormal_usage` for a blocked caller */
function costOf({ standing }: CallerLimit, nowMs: number): number {
  if (!standing || standing.untilMs <= nowMs || standing.action === "flag") return 1;
  if (standing.action === "slow") return slowedCost;
  throw abnormalUsage(standing.untilMs - nowMs);
}

function abnormalUsage(waitMs: number): Limited {
  const seconds = retryAfterSeconds(waitMs);
  return new Limited("serving.abnormal_usage", {
    detail: "The queries of this client look like the copying of the model.",
    mend: "Ask the endpoint's owners; they see what was found.",
    problemType: abnormalUsageDetected,
    violatedPolicies: ["extraction"],
    headers: { "retry-after": seconds },
  });
}

/** The standard header fields of an answer within the limits. */
export function rateHeaders(own: CallerLimit, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  setRateHeaders(headers, own, nowMs);
  return headers;
}

/** Adds `rateHeaders` to what an answer has already. */
export function setRateHeaders(
  headers: Record<string, string>,
  { limit, policy }: CallerLimit,
  nowMs: number,
): void {
  headers["ratelimit-policy"] = policy;
  headers["ratelimit"] = rateLimitStanding(limit, nowMs);
}
