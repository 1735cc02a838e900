import type { PredictionWriter } from "@portolan/predictions/contract";
import { judgeSnapshotAge } from "@portolan/serving/policy";
import type { Metrics } from "./metrics.ts";
import type { ActiveRoute, ServingState } from "./snapshot/serving-state.ts";

const problems = "portolan_gateway_model_problem";
const ready = "portolan_gateway_model_ready";
const overdue = "portolan_gateway_route_overdue";

export interface RenderMetricsDeps {
  readonly metrics: Metrics;
  readonly writer: PredictionWriter;
  readonly snapshots: { readonly state: ServingState | undefined };
}

/** The Prometheus page: what is counted as it happens, and gauges read now. */
export function renderMetrics({ metrics, writer, snapshots: { state } }: RenderMetricsDeps) {
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
  const log = writer.status();
  metrics.gauge("portolan_gateway_log_appended_records", "Records since the start", {}, log.appendedRecords);
  metrics.gauge(
    "portolan_gateway_log_dropped_payloads",
    "Payloads dropped for want of space",
    {},
    log.droppedPayloads,
  );
  metrics.gauge("portolan_gateway_log_pending_bytes", "Bytes not yet written", {}, log.pendingBytes);
  for (const name of [problems, ready, overdue]) metrics.clear(name);
  for (const active of state?.routes.values() ?? []) scrapeRoute(metrics, active, state?.ageMs() ?? 0);
  return { contentType: "text/plain; version=0.0.4", body: metrics.render() };
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
  const age = judgeSnapshotAge(snapshotAge, ageMs);
  metrics.gauge(
    overdue,
    "1 while the snapshot is older than the route's charter allows",
    { ...place, beyond: snapshotAge?.beyond ?? "serve" },
    age === "fresh" ? 0 : 1,
  );
}
