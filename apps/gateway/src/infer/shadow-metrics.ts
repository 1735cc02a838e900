import type { TextUsage } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import type { ActiveRoute } from "../snapshot/serving-state.ts";

/** A copy that ended, or was not shown to the shadow. */
export function countCopy(metrics: Metrics, version: ActiveRoute, outcome: string): void {
  const labels = { ...labelsOf(version), outcome };
  metrics.count("portolan_gateway_shadow_requests_total", "Copies that shadows saw", labels);
}

export function meterRows(metrics: Metrics, version: ActiveRoute, rows: number): void {
  const help = "Rows that shadows computed";
  metrics.count("portolan_gateway_shadow_rows_total", help, labelsOf(version), rows);
}

export function meterRun(metrics: Metrics, version: ActiveRoute, runMicros: number): void {
  const help = "Model time that shadows took";
  metrics.count("portolan_gateway_shadow_run_seconds_total", help, labelsOf(version), runMicros / 1e6);
}

export function meterTokens(
  metrics: Metrics,
  version: ActiveRoute,
  { promptTokens, completionTokens, isEstimated }: TextUsage,
): void {
  const labels = { ...labelsOf(version), source: isEstimated ? "estimated" : "reported" };
  const add = (kind: string, tokens: number): void =>
    metrics.count(
      "portolan_gateway_shadow_tokens_total",
      "Tokens of text that shadows took, as the upstream reported them or estimated",
      { ...labels, kind },
      tokens,
    );
  add("prompt", promptTokens);
  add("completion", completionTokens);
}

function labelsOf({ route }: ActiveRoute) {
  const { endpoint, environment, model } = route;
  return { endpoint, environment, model: `${model.name}/${model.version}` };
}
