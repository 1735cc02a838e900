import type { PredictionWriter } from "@portolan/predictions/contract";
import { judgeSnapshotAge } from "@portolan/serving/policy";
import { type Exposition, exposeMetrics, type Metrics } from "@portolan/telemetry";
import type { ClockOffset } from "./clock-offset.ts";
import type { HealthBook, VersionHealth } from "./infer/health-book.ts";
import { type ActiveRoute, type ServingState, versionsOf } from "./snapshot/serving-state.ts";

const problems = "portolan_gateway_model_problem";
const ready = "portolan_gateway_model_ready";
const overdue = "portolan_gateway_route_overdue";
const circuit = "portolan_gateway_circuit_open";
const inFlight = "portolan_gateway_requests_in_flight";
const room = "portolan_gateway_concurrency_limit";
const queued = "portolan_gateway_queued_rows";
const workers = "portolan_gateway_model_workers";
const tier = "portolan_gateway_model_tier";
const unplanned = "portolan_gateway_backend_unplanned";
const versionGauges = [circuit, inFlight, room, queued, workers, tier];

export interface RenderMetricsDeps {
  readonly metrics: Metrics;
  readonly writer: PredictionWriter;
  readonly snapshots: { readonly state: ServingState | undefined };
  readonly health: HealthBook;
  readonly clockOffset: ClockOffset;
}

/** The Prometheus page: what is counted as it happens, and gauges read now. */
export function renderMetrics(
  { metrics, writer, snapshots: { state }, health, clockOffset }: RenderMetricsDeps,
  accept: string | undefined,
): Exposition {
  metrics.gauge(
    "portolan_gateway_snapshot_version",
    "Version that is served",
    {},
    state?.manifest.version ?? 0,
  );
  metrics.gauge(
    "portolan_gateway_snapshot_age_seconds",
    "Age of the snapshot that is served",
    {},
    state ? state.ageMs() / 1000 : 0,
  );
  if (clockOffset.seconds !== undefined)
    metrics.gauge(
      "portolan_gateway_clock_offset_seconds",
      "By how much this machine's clock is certain to be ahead of control's; less than 0: behind",
      {},
      clockOffset.seconds,
    );
  const log = writer.status();
  metrics.gauge("portolan_gateway_log_appended_records", "Records since the start", {}, log.appendedRecords);
  metrics.gauge(
    "portolan_gateway_log_dropped_payloads",
    "Payloads dropped for want of space",
    {},
    log.droppedPayloads,
  );
  metrics.gauge("portolan_gateway_log_pending_bytes", "Bytes not yet written", {}, log.pendingBytes);
  for (const name of [problems, ready, overdue, unplanned, ...versionGauges]) metrics.clear(name);
  health.keepOnly(state?.routes.values() ?? []);
  for (const active of state?.routes.values() ?? []) {
    scrapeRoute(metrics, active, state?.ageMs() ?? 0);
    for (const version of versionsOf(active)) scrapeVersion(metrics, version, health.of(version));
  }
  return exposeMetrics(metrics, accept);
}

/** One line per model version of a route: how its circuit breaker, its room and its queue stand. */
function scrapeVersion(metrics: Metrics, version: ActiveRoute, { breaker, limit }: VersionHealth): void {
  const { endpoint, environment, model } = version.route;
  const labels = { endpoint, environment, model: `${model.name}/${model.version}` };
  const open = { closed: 0, half_open: 0.5, open: 1 }[breaker.state];
  metrics.gauge(circuit, "1 while the model is not asked, 0.5 while it is tried again", labels, open);
  metrics.gauge(inFlight, "Requests under way", labels, limit.inFlight);
  metrics.gauge(room, "Requests that may be under way at once", labels, limit.limit);
  metrics.gauge(
    workers,
    "Runs that the model does at the same time",
    labels,
    version.model?.usage().lanes ?? 0,
  );
  const state = version.model?.state();
  if (state?.kind === "ready")
    metrics.gauge(tier, "1 for the tier in which the model runs now", { ...labels, tier: state.tier }, 1);
  metrics.gauge(queued, "Rows that wait for a run", labels, version.model?.usage().queuedRows ?? 0);
}

function scrapeRoute(metrics: Metrics, active: ActiveRoute, ageMs: number): void {
  const { endpoint, environment, snapshotAge } = active.route;
  const place = { endpoint, environment };
  const isReady = active.model?.state().kind === "ready" ? 1 : 0;
  metrics.gauge(ready, "1 while the model answers", place, isReady);
  if (active.problem)
    metrics.gauge(
      problems,
      "1 while the route's own model does not serve: why, and what answers instead",
      { ...place, reason: active.problem.code, serving: active.isStandIn ? "previous" : "nothing" },
      1,
    );
  const { order: [first] = [], planned = null } = active.route.backends ?? {};
  if (first && planned !== null)
    metrics.gauge(
      unplanned,
      "1 while requests go to other hardware than the charter's plan takes",
      { ...place, hardware: first.hardware, planned },
      first.hardware === planned ? 0 : 1,
    );
  const age = judgeSnapshotAge(snapshotAge, ageMs);
  metrics.gauge(
    overdue,
    "1 while the snapshot is older than the route's charter allows",
    { ...place, beyond: snapshotAge?.beyond ?? "serve" },
    age === "fresh" ? 0 : 1,
  );
}
