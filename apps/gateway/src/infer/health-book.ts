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

/** Health per endpoint and model version; each part outlives the snapshots in between, and goes with its own terms. */
export class HealthBook {
  /** By version, kind and terms: a key is only ever asked for one kind. */
  readonly #parts = new Map<string, object>();
  readonly #byRoute = new WeakMap<ActiveRoute, VersionHealth>();

  of(active: ActiveRoute): VersionHealth {
    const known = this.#byRoute.get(active);
    if (known) return known;
    const { model, resilience, cache } = active.route;
    const { maxInFlight, slowMs, targetWaitMs, retryShare, breaker } = resilience;
    const version = `${keyOf(active.route)}/${model.digest}`;
    // Each part goes by its own terms: who changes the budget of retries closes no circuit, and empties no cache.
    const health: VersionHealth = {
      breaker: this.#kept(`${version}/breaker/${JSON.stringify([slowMs, breaker])}`, () => {
        return new CircuitBreaker({ ...defaultBreaker, slowMs, ...breaker });
      }),
      retries: this.#kept(`${version}/retries/${retryShare}`, () => new RetryBudget(retryShare)),
      limit: this.#kept(`${version}/limit/${maxInFlight}/${targetWaitMs}`, () => {
        return new AdaptiveLimit({ most: maxInFlight, targetWaitMs });
      }),
      ...(cache
        ? { cache: this.#kept(`${version}/cache/${cache.maxBytes}`, () => new ResponseCache(cache.maxBytes)) }
        : {}),
    };
    this.#byRoute.set(active, health);
    return health;
  }

  #kept<T extends object>(key: string, make: () => T): T {
    const known = this.#parts.get(key) as T | undefined;
    const part = known ?? make();
    if (!known) this.#parts.set(key, part);
    return part;
  }

  /** Forgets the versions that nothing serves any more. */
  keepOnly(actives: Iterable<ActiveRoute>): void {
    const kept = new Set<unknown>();
    for (const active of actives)
      for (const version of versionsOf(active))
        for (const part of Object.values(this.of(version))) kept.add(part);
    for (const [key, part] of this.#parts) if (!kept.has(part)) this.#parts.delete(key);
  }
}
