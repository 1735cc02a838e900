import type { SnapshotPublisher } from "@portolan/serving";
import { Gauge, type Registry } from "prom-client";

/** Shows what is kept out of snapshots now, because gateways could not read it. No database is asked. */
export function addSnapshotMetrics(registry: Registry, publisher: Pick<SnapshotPublisher, "refusals">): void {
  const gauge = new Gauge({
    name: "portolan_control_snapshot_part_refused",
    help: "1 while a part of a snapshot, or a route in it, does not fit its schema and is not published",
    labelNames: ["organisation", "part", "environment", "endpoint", "instead"],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const { organisationId: organisation, refusal } of publisher.refusals()) {
        const { part, environment = "", endpoint = "", instead } = refusal;
        gauge.set({ organisation, part, environment, endpoint, instead }, 1);
      }
    },
  });
}
