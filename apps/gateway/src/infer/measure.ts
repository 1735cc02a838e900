import { servingErrors } from "@portolan/serving/policy";
import type { Counter, Histogram, Metrics } from "@portolan/telemetry";
import type { Answer } from "../http/answers.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { Progress } from "./progress.ts";

interface Meters {
  readonly count: Counter;
  readonly seconds: Histogram;
}

/** Series by version and outcome, so that a request puts no labels together. */
const metersOf = new WeakMap<Metrics, WeakMap<ActiveRoute, Map<string, Meters>>>();

export function measure(metrics: Metrics, progress: Progress, answer: Answer): void {
  const { active } = progress;
  const { count, seconds } = active ? known(metrics, active, answer) : meters(metrics, active, answer);
  count.value++;
  const took = (performance.now() - progress.startMs) / 1000;
  seconds.observe(took, answer.status === 200 ? exemplarOf(progress) : undefined);
}

/** A request whose trace is kept stands for the bucket that it fell into. */
function exemplarOf({ traced, receivedAt }: Progress) {
  return traced?.isSampled ? { traceId: traced.traceId, epochMs: receivedAt / 1000 } : undefined;
}

function known(metrics: Metrics, active: ActiveRoute, answer: Answer): Meters {
  // The status goes with the code; a success has none.
  const found = metersOf.get(metrics)?.get(active)?.get(answer.code);
  if (found) return found;
  const byRoute = metersOf.get(metrics) ?? new WeakMap<ActiveRoute, Map<string, Meters>>();
  metersOf.set(metrics, byRoute);
  const byOutcome = byRoute.get(active) ?? new Map<string, Meters>();
  byRoute.set(active, byOutcome);
  const made = meters(metrics, active, answer);
  byOutcome.set(answer.code, made);
  return made;
}

function meters(metrics: Metrics, active: ActiveRoute | undefined, { status, code }: Answer): Meters {
  const labels = placeOf(active);
  const reason = status === 200 ? "ok" : code in servingErrors ? code : "other";
  return {
    count: metrics.counter("portolan_gateway_requests_total", "Inference requests", {
      ...labels,
      status: String(status),
      reason,
    }),
    seconds: durations(metrics, labels),
  };
}

function durations(metrics: Metrics, labels: Record<string, string>): Histogram {
  const help = "From the first byte to the answer, log included";
  return metrics.histogram("portolan_gateway_request_seconds", help, labels);
}

function placeOf(active: ActiveRoute | undefined): Record<string, string> {
  return { endpoint: active?.route.endpoint ?? "-", environment: active?.route.environment ?? "-" };
}
