import type { Counter, Metrics } from "@portolan/telemetry";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { ChainAnswer } from "./answer-chain.ts";

/** Counts what objectives are held against besides status and time: who answered in the model's place, and whether features were fresh. */
export function countAnswer(
  metrics: Metrics,
  { by, fallback, used }: Pick<ChainAnswer, "by" | "fallback" | "used">,
): void {
  const { endpoint, environment } = by.route;
  if (fallback)
    metrics.count("portolan_gateway_fallback_answers_total", "Answers that were given in the model's place", {
      endpoint,
      environment,
      reason: fallback.reason,
      answered_by: fallback.answeredBy,
    });
  if (!readsFeatures(by)) return;
  const isMissing = fallback?.reason === "features_missing";
  if (isMissing || used.length > 0) countFeatures(metrics, by, isMissing || !used.every(isFresh));
}

/** Counts a request that was refused because features that it needs are not to be had. */
export function countRefusedFeatures(metrics: Metrics, active: ActiveRoute | undefined): void {
  if (active && readsFeatures(active)) countFeatures(metrics, active, true);
}

function readsFeatures({ route }: ActiveRoute): boolean {
  return (route.features?.views.length ?? 0) > 0;
}

/** A null that the store keeps is a value. */
function isFresh({ status }: ChainAnswer["used"][number]): boolean {
  return status === undefined || status === "null";
}

/** Series of a version, so that a request puts no labels together. */
const seriesOf = new WeakMap<Metrics, WeakMap<ActiveRoute, FeatureCounters>>();

interface FeatureCounters {
  readonly fresh: Counter;
  readonly missing: Counter;
}

function countFeatures(metrics: Metrics, active: ActiveRoute, isMissing: boolean): void {
  const byRoute = seriesOf.get(metrics) ?? new WeakMap<ActiveRoute, FeatureCounters>();
  seriesOf.set(metrics, byRoute);
  const counters = byRoute.get(active) ?? featureCounters(metrics, active);
  byRoute.set(active, counters);
  counters[isMissing ? "missing" : "fresh"].value++;
}

function featureCounters(
  metrics: Metrics,
  { route: { endpoint, environment } }: ActiveRoute,
): FeatureCounters {
  const counter = (features: string): Counter =>
    metrics.counter(
      "portolan_gateway_feature_answers_total",
      "Requests that read features: fresh where all were there and within their age, else missing",
      { endpoint, environment, features },
    );
  return { fresh: counter("fresh"), missing: counter("missing") };
}
