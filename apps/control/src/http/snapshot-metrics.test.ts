import type { SnapshotPublisher } from "@portolan/serving";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { addSnapshotMetrics } from "./snapshot-metrics.ts";

test("a scrape shows what is refused while it is, and no longer", async () => {
  const registry = new Registry();
  let refused: ReturnType<SnapshotPublisher["refusals"]> = [
    {
      organisationId: "org_1",
      refusal: {
        part: "routes",
        environment: "production",
        endpoint: "delays",
        path: "/limits/burst",
        problem: "must be >= 1",
        instead: "last_good",
      },
    },
  ];
  addSnapshotMetrics(registry, { refusals: () => refused });
  expect(await registry.metrics()).toContain(
    'portolan_control_snapshot_part_refused{organisation="org_1",part="routes",environment="production",endpoint="delays",instead="last_good"} 1',
  );
  refused = [];
  expect(await registry.metrics()).not.toContain("part_refused{");
});
