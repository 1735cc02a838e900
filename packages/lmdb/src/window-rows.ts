import type { OnlineRecord, OnlineState, OnlineViewKey } from "@portolan/features/contract";
import {
  type EntityReader,
  type EntityRecent,
  type EntityRows,
  type EntitySummary,
  type EventRecord,
  foldEntity,
  historyMicros,
  type KeptEvent,
  sweepEntity,
  type WindowShape,
} from "@portolan/features/online-windows";
import { headerOf, type Key, placeOf, type StoredHeader, type Values, valueKey } from "./stored-values.ts";

/**
 * Rows of an entity of windows: what is recent lies under its key, the pre-aggregates and each tile's events beside it, so that a read takes what
 * it needs and a fold writes what changed.
 */
export type WindowRow = EntityRecent | EntitySummary | { readonly k: readonly KeptEvent[] };

const summaryPart = "summary";

export function entityReader(values: Values, key: Key): EntityReader {
  return {
    recent: () => values.get(key) as EntityRecent | undefined,
    summary: () => values.get([...key, summaryPart]) as EntitySummary | undefined,
    tile: (number) => (values.get([...key, number]) as { k: readonly KeptEvent[] } | undefined)?.k ?? [],
  };
}

/** Inside a transaction. */
function entityRows(values: Values, key: Key): EntityRows {
  return {
    ...entityReader(values, key),
    putRecent: (recent) => void values.put(key, recent),
    putSummary: (summary) => void values.put([...key, summaryPart], summary),
    putTile: (number, events) => void values.put([...key, number], { k: events }),
    removeTile: (number) => void values.remove([...key, number]),
  };
}

/** Folds one page into the entities that it is of; inside a transaction. */
export function foldWindowPage(
  values: Values,
  header: StoredHeader,
  shape: WindowShape,
  page: readonly OnlineRecord[],
  exactFrom: number,
): void {
  for (const of of Map.groupBy(page, ({ key }) => JSON.stringify(key)).values()) {
    const key = valueKey(header, header.generation, of[0]?.key ?? []);
    const lines = of.map(({ record }) => record as EventRecord);
    foldEntity(shape, entityRows(values, key), lines, exactFrom);
  }
}

function stateKey(view: OnlineViewKey): Key {
  return ["state", ...placeOf(view)];
}

export function windowState(values: Values, view: OnlineViewKey): OnlineState | undefined {
  return headerOf(values, view)?.digest === view.digest
    ? (values.get(stateKey(view)) as OnlineState | undefined)
    : undefined;
}

/** Entities of one transaction: the caller's thread serves others too. */
const entitiesAtOnce = 500;
/** Looked through no more often, whatever the windows are. */
const leastSweepMicros = 60_000_000;

/**
 * Looks through all entities of a view: what no window reaches any more goes, and what is left is counted. Once for each tile's width that the view's
 * time goes on, so that what is kept without need is one tile per entity and its last events.
 */
export async function sweepWindows(values: Values, header: StoredHeader, shape: WindowShape): Promise<void> {
  const every = Math.max(shape.tileMicros, leastSweepMicros);
  const last = values.get(stateKey(header)) as OnlineState | undefined;
  if (last && Math.floor(last.at / every) >= Math.floor(header.asOf / every)) return;
  const generation: Key = ["value", ...placeOf(header), header.generation];
  let state: OnlineState = {
    at: header.asOf,
    entities: 0,
    events: 0,
    tiles: 0,
    mostTiles: 0,
    bytes: 0,
    mostBytes: 0,
  };
  let start: Key | undefined = generation;
  while (start) {
    const from: Key = start;
    start = await values.transaction(() => {
      const range = { start: from, end: [...generation.slice(0, -1), header.generation + 1] };
      const entities = new Map<string, Key>();
      let next: Key | undefined;
      for (const key of values.getKeys(range)) {
        const entity = (key as Key).slice(0, generation.length + shape.keyParts);
        const name = JSON.stringify(entity);
        if (!entities.has(name) && entities.size === entitiesAtOnce) {
          next = entity;
          break;
        }
        entities.set(name, entity);
      }
      for (const key of entities.values())
        state = sweepOne(values, shape, key, header.asOf - historyMicros, state);
      return next;
    });
  }
  await values.put(stateKey(header), state);
}

/** What is left of one entity, counted in; inside a transaction. */
function sweepOne(
  values: Values,
  shape: WindowShape,
  key: Key,
  exactFrom: number,
  state: OnlineState,
): OnlineState {
  const rows = entityRows(values, key);
  if (!sweepEntity(shape, rows, exactFrom)) {
    void values.remove(key);
    void values.remove([...key, summaryPart]);
    return state;
  }
  const tiles = rows.summary()?.t ?? [];
  const events = tiles.reduce((sum, [, count]) => sum + count, rows.recent()?.e.length ?? 0);
  const kept: Key[] = [key, [...key, summaryPart], ...tiles.map(([number]) => [...key, number])];
  const bytes = kept.reduce((sum, row) => sum + (values.getBinary(row)?.length ?? 0), 0);
  const first = tiles[0] && tiles[0][0] * shape.tileMicros;
  const oldestTile = Math.min(
    first ?? Number.POSITIVE_INFINITY,
    state.oldestTile ?? Number.POSITIVE_INFINITY,
  );
  return {
    at: state.at,
    entities: state.entities + 1,
    events: state.events + events,
    tiles: state.tiles + tiles.length,
    mostTiles: Math.max(state.mostTiles, tiles.length),
    bytes: state.bytes + bytes,
    mostBytes: Math.max(state.mostBytes, bytes),
    ...(Number.isFinite(oldestTile) ? { oldestTile } : {}),
  };
}
