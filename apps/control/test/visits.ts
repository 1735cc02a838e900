import { parseInstant } from "@portolan/kernel";

/** A contract of visits to places, a view over them, two days of rows and a training set: small, and whole. */
export const visitsContract = `apiVersion: v3.1.0
kind: DataContract
id: visits
name: Visits
version: 1.0.0
status: active
description:
  purpose: Visits of a place, for tests.
servers:
  - server: local
    type: local
    path: visits
    format: csv
schema:
  - name: visits
    logicalType: object
    customProperties:
      - property: portolan.eventTime
        value: seen_at
    properties:
      - name: seen_at
        logicalType: timestamp
        required: true
      - name: place
        logicalType: string
        required: true
      - name: wait
        logicalType: integer
        required: true
`;
export const visitsView = `apiVersion: portolan/v1
kind: FeatureView
name: visits-by-place
version: 1
description: How long people waited here in the last hours.
source: visits
entity:
  - name: place
    column: place
eventTime: seen_at
available: seen_at + 1min
ttl: 24h
features:
  - { name: visits_3h, aggregate: count, window: 3h }
  - { name: wait_3h, aggregate: mean, of: wait, window: 3h }
`;
const rows = Array.from({ length: 48 }, (_, n) => {
  const at = new Intl.NumberFormat("en", { minimumIntegerDigits: 2 });
  return `2026-03-0${1 + Math.floor(n / 24)}T${at.format(n % 24)}:00:00Z,${n % 2 === 0 ? "north" : "south"},${(n * 7) % 30}`;
});
export const visitsCsv = `seen_at,place,wait\n${rows.join("\n")}\n`;

/** Both days by default; a model that looks at `wait_now` gets every row right, one that knows the baseline only does not. */
export function visitsSet(
  place: { readonly environment: string; readonly useCaseId?: string },
  change: Readonly<Record<string, unknown>> = {},
) {
  return {
    name: "waits",
    ...place,
    contract: "visits",
    from: parseInstant("2026-03-01T00:00:00Z"),
    to: parseInstant("2026-03-03T00:00:00Z"),
    views: [{ view: "visits-by-place", entity: { place: "place" } }],
    request: [{ name: "wait_now", expression: "wait" }],
    label: { name: "long", expression: "wait > 10" },
    baseline: "visits_3h",
    ...change,
  };
}
