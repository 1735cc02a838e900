import {
  loggedViews,
  onlineStates,
  type PlacedState,
  type PlacedValueState,
  valueStates,
} from "@portolan/features";
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

/** The same of views of values. */
const valueFigures = {
  online_values_entities: [
    "Entities whose values are kept, withdrawn ones among them",
    ({ entities }: PlacedValueState) => entities,
  ],
  online_values_bytes: ["Bytes of a view's values", ({ bytes }: PlacedValueState) => bytes],
  online_values_entity_bytes_max: [
    "Bytes of the entity that takes most",
    ({ mostBytes }: PlacedValueState) => mostBytes,
  ],
  online_values_outside_max_age: [
    "Entities whose newest values are older than the view's ttl",
    ({ outsideMaxAge }: PlacedValueState) => outsideMaxAge,
  ],
  online_values_withdrawn: [
    "Entities whose values were withdrawn",
    ({ withdrawn }: PlacedValueState) => withdrawn,
  ],
  online_values_oldest_seconds: [
    "Age of the values that were stated longest ago, against the view's own time",
    ({ at, oldest = at }: PlacedValueState) => (at - oldest) / 1_000_000,
  ],
} as const;

/**
 * What the windows and values of views take in the online store, read when they are asked for, at most twice a minute. Where the database or the store does
 * not answer they are absent.
 */
export function addFeatureMetrics(
  registry: Registry,
  deps: DataMetricsDeps & {
    readonly online: Parameters<typeof onlineStates>[0] & Parameters<typeof valueStates>[0];
  },
): void {
  const collect = sharedForAWhile(deps.clock, async () => {
    const views = await readInTime(deps, (sql) => loggedViews(sql, mostLogs));
    show(windows, (await inTime(onlineStates(deps.online, views?.windows ?? []))) ?? []);
    show(values, (await inTime(valueStates(deps.online, views?.values ?? []))) ?? []);
  });
  const windows = gaugesOf(figures, registry, () => collect());
  const values = gaugesOf(valueFigures, registry, () => collect());
}

interface Shown<State> {
  readonly gauge: Gauge;
  readonly of: (state: State) => number;
}

function gaugesOf<State>(
  figures: Readonly<Record<string, readonly [string, (state: State) => number]>>,
  registry: Registry,
  collect: () => Promise<void>,
): Shown<State>[] {
  return Object.entries(figures).map(([name, [help, of]]) => ({
    gauge: new Gauge({
      name: `portolan_features_${name}`,
      help,
      labelNames: ["organisation", "environment", "view"],
      registers: [registry],
      collect,
    }),
    of,
  }));
}

function show<State extends PlacedState | PlacedValueState>(
  gauges: readonly Shown<State>[],
  states: readonly State[],
): void {
  for (const { gauge, of } of gauges) {
    gauge.reset();
    for (const state of states) {
      const { organisationId: organisation, environment, view } = state;
      gauge.set({ organisation, environment, view }, of(state));
    }
  }
}
