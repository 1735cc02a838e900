import { openReviews } from "@portolan/oversight";
import { Gauge, type Registry } from "prom-client";
import { type DataMetricsDeps, readInTime, sharedForAWhile } from "./data-metrics.ts";

const labelNames = ["organisation", "environment", "endpoint"] as const;

/** Reviews that wait for people, and those that wait beyond their due time; read when they are asked for, at most twice a minute. */
export function addReviewMetrics(registry: Registry, deps: DataMetricsDeps): void {
  const collect = sharedForAWhile(deps.clock, async () => {
    const found = (await readInTime(deps, (sql) => openReviews(sql, deps.clock.now()))) ?? [];
    for (const gauge of [open, overdue]) gauge.reset();
    for (const { organisationId: organisation, environment, endpoint, ...counts } of found) {
      open.set({ organisation, environment, endpoint }, counts.open);
      overdue.set({ organisation, environment, endpoint }, counts.overdue);
    }
  });
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames, registers: [registry], collect });
  const open = gauge("portolan_reviews_open", "Reviews that wait for people");
  const overdue = gauge("portolan_reviews_overdue", "Reviews that wait for people beyond their due time");
}
