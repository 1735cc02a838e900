import type { Clock } from "@portolan/kernel";
import type { PredictionWriter } from "@portolan/predictions/contract";
import type { Answer } from "./http/answers.ts";
import type { Metrics } from "./metrics.ts";
import type { ServingState } from "./snapshot/serving-state.ts";

export interface RenderMetricsDeps {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly writer: PredictionWriter;
  readonly snapshots: { readonly state: ServingState | undefined };
}

/** The Prometheus page: what is counted as it happens, and gauges read now. */
export function renderMetrics(deps: RenderMetricsDeps): Answer {
  const { metrics: registry, snapshots, writer } = deps;
  const state = snapshots.state;
  const log = writer.status();
  registry.gauge(
    "portolan_gateway_snapshot_version",
    "Version that is served",
    {},
    state?.manifest.version ?? 0,
  );
  registry.gauge(
    "portolan_gateway_snapshot_age_seconds",
    "Age of the snapshot that is served",
    {},
    state ? (deps.clock.now() - state.manifest.createdAt) / 1e6 : 0,
  );
  registry.gauge("portolan_gateway_log_appended_records", "Records since the start", {}, log.appendedRecords);
  registry.gauge(
    "portolan_gateway_log_dropped_payloads",
    "Payloads dropped for want of space",
    {},
    log.droppedPayloads,
  );
  registry.gauge("portolan_gateway_log_pending_bytes", "Bytes not yet written", {}, log.pendingBytes);
  for (const active of state?.routes.values() ?? []) {
    const { endpoint, environment } = active.route;
    const isReady = active.model?.state().kind === "ready" ? 1 : 0;
    registry.gauge(
      "portolan_gateway_model_ready",
      "1 while the model answers",
      { endpoint, environment },
      isReady,
    );
  }
  return {
    status: 200,
    contentType: "text/plain; version=0.0.4",
    body: registry.render(),
    headers: {},
    code: "",
  };
}
