import { onlineStates, type PlacedState, windowViews } from "@portolan/features";
import { Gauge, type Registry } from "prom-client";
import { type DataMetricsDeps, inTime, readInTime, sharedForAWhile } from "./data-metrics.ts";

/** Logs that are shown. */
const mostLogs = 500;

/** Figures of a view by the name of its metric. */
const figures = {
  online_entities: ["Entities whose events are kept", ({ entities }: PlacedState) => entities],
  online_events: ["Events that are kept", ({ events }: PlacedState) => events],
  online_bytes: ["Bytes of a view's windows", ({ bytes }: PlacedState) => bytes],
  online_entity_bytes_max: ["Bytes of the entity that takes most", ({ mostBytes }: PlacedState) => mostBytes],
  online_tiles: ["Pre-aggregates of all entities", ({ tiles }: PlacedState) => tiles],
  online_entity_tiles_max: [
    "Pre-aggregates of the entity that has most",
    ({ mostTiles }: PlacedState) => mostTiles,
  ],
  online_oldest_tile_seconds: [
    "Age of the oldest pre-aggregate, against the view's own time",
    ({ at, oldestTile = at }: PlacedState) => (at - oldestTile) / 1_000_000,
  ],
} as const;

/**
 * What the windows of views take in the online store, read when they are asked for, at most twice a minute. Where the database or the store does
 * not answer they are absent.
 */
export function addFeatureMetrics(
  registry: Registry,
  deps: DataMetricsDeps & { readonly online: Parameters<typeof onlineStates>[0] },
): void {
  const gauges: { readonly gauge: Gauge; readonly of: (state: PlacedState) => number }[] = [];
  const collect = sharedForAWhile(deps.clock, async () => {
    const views = (await readInTime(deps, (sql) => windowViews(sql, mostLogs))) ?? [];
    const states = (await inTime(onlineStates(deps.online, views))) ?? [];
    for (const { gauge, of } of gauges) {
      gauge.reset();
      for (const state of states) {
        const { organisationId: organisation, environment, view } = state;
        gauge.set({ organisation, environment, view }, of(state));
      }
    }
  });
  for (const [name, [help, of]] of Object.entries(figures))
    gauges.push({
      gauge: new Gauge({
        name: `portolan_features_${name}`,
        help,
        labelNames: ["organisation", "environment", "view"],
        registers: [registry],
        collect,
      }),
      of,
    });
}
