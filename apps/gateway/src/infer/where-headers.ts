import type { Metrics } from "@portolan/telemetry";
import type { ChainAnswer } from "./answer-chain.ts";

/** Where the model that answered ran: its tier, and its hardware where the route gives a choice. */
export function whereHeaders(
  metrics: Metrics,
  answer: ChainAnswer,
): Readonly<Record<string, string>> | undefined {
  const tier = tierHeader(answer);
  const backend = backendHeader(metrics, answer);
  return backend ? { ...tier, ...backend } : tier;
}

/** `inline`, `worker`, `runner`, `upstream`. */
function tierHeader({ by, runMicros }: ChainAnswer): Readonly<Record<string, string>> | undefined {
  const state = runMicros === undefined ? undefined : by.model?.state();
  return state?.kind === "ready" ? { "x-portolan-tier": state.tier } : undefined;
}

/** On what hardware, and why there; counted as well. */
function backendHeader(
  metrics: Metrics,
  { by, failover, fallback }: ChainAnswer,
): Readonly<Record<string, string>> | undefined {
  if (!by.backend || fallback) return undefined;
  const { hardware } = by.backend;
  const why = failover === undefined ? by.backend.why : "failover";
  const { endpoint, environment } = by.route;
  metrics.count("portolan_gateway_backend_requests_total", "Answers by the hardware that gave them", {
    endpoint,
    environment,
    hardware,
    why,
  });
  const because = failover === undefined ? "" : `;reason=${failover}`;
  return { "x-portolan-backend": `${hardware};why=${why}${because}` };
}
