import { Aggregator } from "../events/aggregate.ts";
import type { EntityReader, EntitySummary, RecentEvent } from "../events/entity-windows.ts";
import type { EventCell, WindowShape } from "../events/event-record.ts";

/** One version of an event, of the log or early; `key` as its store writes keys, null in a tombstone without one. */
export interface EventVersion {
  readonly sequence: number;
  readonly key: readonly string[] | null;
  readonly event: number;
  readonly available: number;
  readonly isTombstone: boolean;
  /** Of an early one; what the log's ones aggregate is with the entity. */
  readonly values?: readonly EventCell[];
}

/** What early versions change about one entity. */
export interface EarlyChanges {
  readonly added: readonly RecentEvent[];
  /** Versions of the log that count no more from a moment on, by their sequence. */
  readonly ended: ReadonlyMap<number, { readonly event: number; readonly until: number }>;
}

/**
 * What the early versions of some events change about an entity. An event is its versions in the order of (available, sequence), each until the
 * next one is available (F31), whoever they belong to. Pure.
 *
 * @param events the versions of each event, of the log and early ones, in any order
 */
export function earlyChanges(
  key: readonly string[],
  events: Iterable<readonly EventVersion[]>,
): EarlyChanges {
  const added: RecentEvent[] = [];
  const ended = new Map<number, { event: number; until: number }>();
  const own = JSON.stringify(key);
  for (const versions of events) {
    const inOrder = versions.toSorted(
      (one, other) => one.available - other.available || one.sequence - other.sequence,
    );
    for (const [index, version] of inOrder.entries()) {
      const { event, available, sequence, values, isTombstone } = version;
      if (isTombstone || JSON.stringify(version.key) !== own) continue;
      const until = inOrder[index + 1]?.available ?? null;
      if (values) added.push([event, available, sequence, values, until]);
      else if (until !== null) ended.set(sequence, { event, until });
    }
  }
  return { added, ended };
}

/** An entity as it is with its early changes; the entity itself where there are none. Reads only. */
export function withEarly(shape: WindowShape, entity: EntityReader, changes: EarlyChanges): EntityReader {
  const { added, ended } = changes;
  if (added.length === 0 && ended.size === 0) return entity;
  const recent = entity.recent();
  const known = recent?.e ?? [];
  const inRecent = new Set(known.map(([, , sequence]) => sequence));
  const tiles = tilesOf(shape, entity, changes, inRecent);
  const kept = known.map((event): RecentEvent => {
    const until = ended.get(event[2])?.until;
    if (until === undefined) return event;
    return [event[0], event[1], event[2], event[3], Math.min(until, event[4] ?? until)];
  });
  const { s = 0 } = recent ?? {};
  return {
    recent: () => ({ s, e: [...kept, ...tiles.taken, ...added] }),
    summary: () => tiles.summary,
    tile: (number) => tiles.events.get(number) ?? entity.tile(number),
  };
}

/** Tiles without the versions that an early one ends; those are recent, until it is available. */
function tilesOf(
  shape: WindowShape,
  entity: EntityReader,
  { ended }: EarlyChanges,
  inRecent: ReadonlySet<number>,
) {
  const numbers = new Set<number>();
  for (const [sequence, { event }] of ended)
    if (!inRecent.has(sequence)) numbers.add(Math.floor(event / shape.tileMicros));
  const summary = entity.summary();
  const taken: RecentEvent[] = [];
  const events = new Map<number, ReturnType<EntityReader["tile"]>>();
  if (!summary || numbers.size === 0) return { summary, taken, events };
  const t: EntitySummary["t"][number][] = [];
  for (const tile of summary.t) {
    if (!numbers.has(tile[0])) {
      t.push(tile);
      continue;
    }
    const all = entity.tile(tile[0]);
    const left = all.filter(([, , sequence]) => !ended.has(sequence));
    for (const event of all) {
      const until = ended.get(event[2])?.until;
      if (until !== undefined) taken.push([...event, until]);
    }
    events.set(tile[0], left);
    if (left.length === 0) continue;
    const sum = new Aggregator(shape);
    for (const [event, available, , values] of left) sum.addEvent({ event, available, values });
    const { count, operands } = sum.aggregate();
    t.push([tile[0], count, operands]);
  }
  return { summary: { ...summary, t }, taken, events };
}
