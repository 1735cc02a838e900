import type { OnlineState } from "../ports.ts";
import type { EntityReader } from "./entity-windows.ts";
import type { WindowShape } from "./event-record.ts";

/** Looked through no more often, whatever the windows are. */
const leastSweepMicros = 60_000_000;

/**
 * Whether all entities of a view are to be looked through: once for each tile's width that the view's time goes on, so that what is kept without
 * need is one tile per entity and its last events.
 *
 * @param last what was counted the last time
 * @param asOf the view's time, epoch microseconds
 */
export function isSweepDue(shape: WindowShape, last: OnlineState | undefined, asOf: number): boolean {
  const every = Math.max(shape.tileMicros, leastSweepMicros);
  return !last || Math.floor(last.at / every) < Math.floor(asOf / every);
}

export function emptyState(at: number): OnlineState {
  return { at, entities: 0, events: 0, tiles: 0, mostTiles: 0, bytes: 0, mostBytes: 0 };
}

/** Counts one entity in, which takes so many bytes. */
export function countIn(
  state: OnlineState,
  shape: WindowShape,
  entity: Pick<EntityReader, "recent" | "summary">,
  bytes: number,
): OnlineState {
  const tiles = entity.summary()?.t ?? [];
  const events = tiles.reduce((sum, [, count]) => sum + count, entity.recent()?.e.length ?? 0);
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
