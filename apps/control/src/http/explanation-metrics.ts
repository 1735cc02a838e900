import { backlogFigures, lagSecondsOf } from "@portolan/evaluation";
import { Gauge, type Registry } from "prom-client";
import { type DataMetricsDeps, readInTime, sharedForAWhile } from "./data-metrics.ts";

const labelNames = ["organisation", "environment", "endpoint"] as const;

/** What waits to be explained because charters say so, of endpoints where something waits or was passed over; read when it is asked for, at most twice a minute. */
export function addExplanationMetrics(registry: Registry, deps: DataMetricsDeps): void {
  const collect = sharedForAWhile(deps.clock, async () => {
    const found = (await readInTime(deps, (sql) => backlogFigures(sql))) ?? [];
    for (const gauge of Object.values(gauges)) gauge.reset();
    for (const { organisationId: organisation, environment, endpoint, oldestWaitingAt, ...counts } of found) {
      const labels = { organisation, environment, endpoint };
      gauges.waiting.set(labels, counts.waiting);
      gauges.lag.set(labels, lagSecondsOf({ oldestWaitingAt }, deps.clock.now()));
      gauges.passedOver.set(labels, counts.passedOver);
    }
  });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `portolan_explanations_${name}`, help, labelNames, registers: [registry], collect });
  const gauges = {
    waiting: gauge("waiting", "Predictions that are to be explained"),
    lag: gauge(
      "lag_seconds",
      "Age of the accepted record that waits longest to be explained, 0 where none waits",
    ),
    passedOver: gauge("passed_over", "Predictions that were not tried because too many waited"),
  };
}
