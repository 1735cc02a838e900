import { type LifecycleDeps, lifecycleEvents } from "@portolan/monitoring";
import { lifecycleMetric } from "@portolan/monitoring/policy";
import { Gauge, type Registry } from "prom-client";
import { inTime, sharedForAWhile, systemCall } from "./data-metrics.ts";

/** Labels of a month are counted for it, and events are days apart. */
const restMicros = 900_000_000;

/**
 * Retrainings, drift alerts and labels of the last thirty days that are due, by whether they were in time: what rules of `slo export` read. Read from the database
 * when they are asked for, at most every fifteen minutes; absent where it does not answer, and asked for again after thirty seconds.
 */
export function addLifecycleMetrics(registry: Registry, deps: LifecycleDeps): void {
  const collect = sharedForAWhile(deps.clock, () => refresh(), restMicros);
  const events = new Gauge({
    name: lifecycleMetric,
    help: "Events of the last thirty days that are due, by objective and whether they were in time",
    labelNames: ["organisation", "environment", "endpoint", "slo", "outcome"],
    registers: [registry],
    collect,
  });
  const up = new Gauge({
    name: "portolan_lifecycle_figures_up",
    help: "Whether the database gave the events, 1 or 0",
    registers: [registry],
    collect,
  });
  const refresh = async (): Promise<boolean> => {
    const found = await inTime(lifecycleEvents(deps, systemCall(deps.clock)));
    events.reset();
    for (const [slo, places] of found ?? [])
      for (const { organisationId: organisation, environment, endpoint, good, total } of places) {
        const labels = { organisation, environment, endpoint, slo };
        events.set({ ...labels, outcome: "good" }, good);
        events.set({ ...labels, outcome: "bad" }, total - good);
      }
    up.set(found ? 1 : 0);
    return found !== undefined;
  };
}
