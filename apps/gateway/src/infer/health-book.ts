import {
  AdaptiveLimit,
  CircuitBreaker,
  defaultBreaker,
  ResponseCache,
  RetryBudget,
} from "@portolan/serving/policy";
import { type ActiveRoute, keyOf, versionsOf } from "../snapshot/serving-state.ts";

/** What is known of how one model version does at one endpoint. */
export interface VersionHealth {
  readonly breaker: CircuitBreaker;
  readonly limit: AdaptiveLimit;
  /** What may be tried a second time of it. */
  readonly retries: RetryBudget;
  /** Absent where the deployment asks for none. */
  readonly cache?: ResponseCache;
}

/** Health per endpoint and model version; it outlives the snapshots in between, and goes with its terms. */
export class HealthBook {
  readonly #byVersion = new Map<string, VersionHealth>();
  readonly #byRoute = new WeakMap<ActiveRoute, VersionHealth>();

  of(active: ActiveRoute): VersionHealth {
    const known = this.#byRoute.get(active);
    if (known) return known;
    const { model, resilience, cache } = active.route;
    const { maxInFlight, slowMs, targetWaitMs, retryShare, breaker } = resilience;
    const key = `${keyOf(active.route)}/${model.digest}/${JSON.stringify(resilience)}/${cache?.maxBytes}`;
    const health = this.#byVersion.get(key) ?? {
      breaker: new CircuitBreaker({ ...defaultBreaker, slowMs, ...breaker }),
      retries: new RetryBudget(retryShare),
      limit: new AdaptiveLimit({ most: maxInFlight, targetWaitMs }),
      ...(cache ? { cache: new ResponseCache(cache.maxBytes) } : {}),
    };
    this.#byVersion.set(key, health);
    this.#byRoute.set(active, health);
    return health;
  }

  /** Forgets the versions that nothing serves any more. */
  keepOnly(actives: Iterable<ActiveRoute>): void {
    const kept = new Set<VersionHealth>();
    for (const active of actives) for (const version of versionsOf(active)) kept.add(this.of(version));
    for (const [key, health] of this.#byVersion) if (!kept.has(health)) this.#byVersion.delete(key);
  }
}
