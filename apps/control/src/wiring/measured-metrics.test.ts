import { metricNames, outcomeMetrics } from "@portolan/charter/contract";
import { measuredFromOutcomes } from "@portolan/monitoring/policy";
import { expect, test } from "vitest";

test("charters say of a metric that outcomes tell it where they do, and only there", () => {
  expect(metricNames.filter(measuredFromOutcomes).toSorted()).toEqual([...outcomeMetrics].toSorted());
});
