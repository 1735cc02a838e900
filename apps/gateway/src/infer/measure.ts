import { servingErrors } from "@portolan/serving/policy";
import type { Counter, Histogram, Metrics } from "@portolan/telemetry";
import type { Answer } from "../http/answers.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { Progress } from "./progress.ts";

interface Meters {
  readonly ok: Counter;
  readonly seconds: Histogram;
}

/** Series by version, so that a request puts no labels together. */
const metersOf = new WeakMap<Metrics, WeakMap<ActiveRoute, Meters>>();

const requests = "portolan_gateway_requests_total";
const requestsHelp = "Inference requests";

export function measure(metrics: Metrics, progress: Progress, answer: Answer): void {
  const { active } = progress;
  const seconds = (performance.now() - progress.startMs) / 1000;
  if (answer.status === 200 && active) {
    const meters = find(metrics, active);
    meters.ok.value++;
    meters.seconds.observe(seconds, exemplarOf(progress));
    return;
  }
  const labels = placeOf(active);
  const reason = answer.code in servingErrors ? answer.code : "other";
  metrics.count(requests, requestsHelp, { ...labels, status: String(answer.status), reason });
  durations(metrics, labels).observe(seconds);
}

/** A request whose trace is kept stands for the bucket that it fell into. */
function exemplarOf({ traced, receivedAt }: Progress) {
  return traced?.isSampled ? { traceId: traced.traceId, epochMs: receivedAt / 1000 } : undefined;
}

function find(metrics: Metrics, active: ActiveRoute): Meters {
  const byRoute = metersOf.get(metrics) ?? new WeakMap<ActiveRoute, Meters>();
  metersOf.set(metrics, byRoute);
  const known = byRoute.get(active);
  if (known) return known;
  const labels = placeOf(active);
  const meters = {
    ok: metrics.counter(requests, requestsHelp, { ...labels, status: "200", reason: "ok" }),
    seconds: durations(metrics, labels),
  };
  byRoute.set(active, meters);
  return meters;
}

function durations(metrics: Metrics, labels: Record<string, string>): Histogram {
  const help = "From the first byte to the answer, log included";
  return metrics.histogram("portolan_gateway_request_seconds", help, labels);
}

function placeOf(active: ActiveRoute | undefined): Record<string, string> {
  return { endpoint: active?.route.endpoint ?? "-", environment: active?.route.environment ?? "-" };
}
