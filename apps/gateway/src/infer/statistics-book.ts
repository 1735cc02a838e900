import { ModelStatistics } from "@portolan/serving/policy";
import { type ActiveRoute, keyOf } from "../snapshot/serving-state.ts";

/** Counters per endpoint and model version since the start; they outlive the snapshots in between. */
export class StatisticsBook {
  readonly #byVersion = new Map<string, ModelStatistics>();
  /** Spares requests the text key. */
  readonly #byRoute = new WeakMap<ActiveRoute, ModelStatistics>();

  of(active: ActiveRoute): ModelStatistics {
    const known = this.#byRoute.get(active);
    if (known) return known;
    const { version, digest } = active.route.model;
    const key = `${keyOf(active.route)}/${version}/${digest}`;
    const statistics = this.#byVersion.get(key) ?? new ModelStatistics();
    this.#byVersion.set(key, statistics);
    this.#byRoute.set(active, statistics);
    return statistics;
  }
}
