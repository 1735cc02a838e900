import type { OnlineRecord, OnlineState, OnlineViewKey } from "@portolan/features/contract";
import { type EntityInStore, exactFromOf, type StoredHeader } from "@portolan/features/online-values";
import {
  countIn,
  type EntityReader,
  type EntityRecent,
  type EntityRows,
  type EntitySummary,
  type EventRecord,
  emptyState,
  foldEntity,
  isSweepDue,
  type KeptEvent,
  sweepEntity,
  type WindowShape,
} from "@portolan/features/online-windows";
import { sweepIdentities } from "./early-rows.ts";
import { entityAt } from "./entity-rows.ts";
import { headerOf, type Key, placeOf, type Values } from "./stored-values.ts";

/**
 * Rows of an entity of windows: what is recent lies under its key, the pre-aggregates and each tile's events beside it, so that a read takes what
 * it needs and a fold writes what changed.
 */
export type WindowRow = EntityRecent | EntitySummary | { readonly k: readonly KeptEvent[] };

const summaryPart = "summary";

export function entityReader(values: Values, key: Key): EntityReader & Pick<EntityInStore, "values"> {
  return {
    values: () => entityAt(values, key),
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

/** Folds lines of one entity in; inside a transaction. */
export function foldWindows(
  values: Values,
  header: StoredHeader,
  shape: WindowShape,
  key: Key,
  lines: readonly OnlineRecord["record"][],
): void {
  foldEntity(shape, entityRows(values, key), lines as readonly EventRecord[], exactFromOf(header));
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

/** Looks through all entities of a view when that is due: what no window reaches any more goes, and what is left is counted. */
export async function sweepWindows(values: Values, header: StoredHeader, shape: WindowShape): Promise<void> {
  const last = values.get(stateKey(header)) as OnlineState | undefined;
  if (!isSweepDue(shape, last, header.asOf)) return;
  const generation: Key = ["value", ...placeOf(header), header.generation];
  let state = emptyState(header.asOf);
  let start: Key | undefined = generation;
  while (start) {
    const from: Key = start;
    start = await values.transaction(() => {
      // Replaced meanwhile: its rows go as they are.
      if (headerOf(values, header)?.generation !== header.generation) return undefined;
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
      for (const key of entities.values()) state = sweepOne(values, shape, key, exactFromOf(header), state);
      return next;
    });
  }
  if (header.isEarly) await sweepIdentities(values, header, exactFromOf(header) - shape.longestMicros);
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
  const kept: Key[] = [key, [...key, summaryPart], ...tiles.map(([number]) => [...key, number])];
  const bytes = kept.reduce((sum, row) => sum + (values.getBinary(row)?.length ?? 0), 0);
  return countIn(state, shape, rows, bytes);
}
