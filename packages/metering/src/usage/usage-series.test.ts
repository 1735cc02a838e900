import { parseInstant } from "@portolan/kernel";
import { expect, test } from "vitest";
import { isOf, type SeriesRecord, usageSeries } from "./usage-series.ts";

const hour = 3_600_000_000;
const start = parseInstant("2026-11-02T08:00:00Z");

const record = (more: Partial<SeriesRecord> & { readonly team?: string }): SeriesRecord => ({
  source: "predictions",
  id: "x",
  meter: "production/loan%20check/scorer/3/champion",
  tenant: {
    businessUnit: "retail",
    team: more.team ?? "credit",
    useCase: "loans",
    model: "scorer",
    environment: "production",
  },
  resource: "cpu_hours",
  quantity: String(hour),
  start,
  end: start + hour,
  ...more,
});

test("usage lies in whole steps from the first with any to the last that is over, in the unit of bills", () => {
  const records = [
    record({}),
    record({ quantity: String(hour / 2) }),
    // Three hours of a core, half of them in the step that goes on.
    record({ start: start + 2 * hour, end: start + 4 * hour, quantity: String(3 * hour) }),
    record({ start: start - 50 * hour, end: start - 49 * hour, quantity: "0" }),
  ];
  const asked = { resource: "cpu_hours", stepMicros: hour };
  expect(usageSeries(records, { ...asked, now: start + 3.5 * hour })).toEqual({
    start,
    values: [1.5, 0, 1.5],
  });
  // Exactly at the end of a step it is over.
  expect(usageSeries(records, { ...asked, now: start + 4 * hour })?.values).toEqual([1.5, 0, 1.5, 1.5]);
  const days = usageSeries(records, { ...asked, stepMicros: 24 * hour, now: start + 39 * hour });
  expect(days).toEqual({ start: start - 8 * hour, values: [4.5] });
  expect(usageSeries(records, { ...asked, now: start - hour })?.values).toEqual([]);
  expect(usageSeries([], { ...asked, now: start })).toBeUndefined();
});

test("what is counted a day at a time ends with the last day that is over", () => {
  const stored = record({ resource: "storage_gb_months", start: start - 8 * hour, end: start + 16 * hour });
  const asked = { resource: "storage_gb_months", stepMicros: hour };
  expect(usageSeries([stored], { ...asked, now: start + 20 * hour })?.values).toHaveLength(24);
});

test("records are of a resource, of tenants by name, and of an endpoint where the prediction log counted them", () => {
  const all = [
    record({}),
    record({ team: "cards" }),
    record({ resource: "requests" }),
    record({ source: "training" }),
  ];
  const found = (query: Parameters<typeof isOf>[0]): number => all.filter(isOf(query)).length;
  expect(found({ resource: "cpu_hours", tenant: {} })).toBe(3);
  expect(found({ resource: "cpu_hours", tenant: { team: "cards" } })).toBe(1);
  expect(found({ resource: "cpu_hours", tenant: { team: "cards", useCase: "other" } })).toBe(0);
  expect(found({ resource: "cpu_hours", tenant: {}, endpoint: "loan check" })).toBe(2);
  expect(found({ resource: "cpu_hours", tenant: {}, endpoint: "scorer" })).toBe(0);
});
