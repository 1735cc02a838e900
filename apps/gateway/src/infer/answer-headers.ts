import type { Metrics } from "@portolan/telemetry";
import type { ChainAnswer } from "./answer-chain.ts";

/** Sets what is told of who answered: where the model ran, whether the answer was kept, and who stood in for whom. */
export function setAnswerHeaders(
  headers: Record<string, string>,
  metrics: Metrics,
  answer: ChainAnswer,
): void {
  setTier(headers, answer);
  setBackend(headers, metrics, answer);
  const { cache, fallback } = answer;
  if (cache !== undefined) headers["x-portolan-cache"] = cache;
  if (fallback) {
    headers["x-portolan-fallback"] = fallback.reason;
    headers["x-portolan-answered-by"] = fallback.answeredBy;
  }
}

/** `inline`, `worker`, `runner`, `upstream`. */
function setTier(headers: Record<string, string>, { by, runMicros }: ChainAnswer): void {
  const state = runMicros === undefined ? undefined : by.model?.state();
  if (state?.kind === "ready") headers["x-portolan-tier"] = state.tier;
}

/** On what hardware, where the route gives a choice, and why there; counted as well. */
function setBackend(
  headers: Record<string, string>,
  metrics: Metrics,
  { by, failover, fallback }: ChainAnswer,
): void {
  if (!by.backend || fallback) return;
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
  headers["x-portolan-backend"] = `${hardware};why=${why}${because}`;
}
