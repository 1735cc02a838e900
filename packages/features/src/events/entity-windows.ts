import { type Aggregate, Aggregator } from "./aggregate.ts";
import type { EventCell, EventRecord, WindowShape } from "./event-record.ts";

/** An event that is kept: event, available, sequence, values. */
export type KeptEvent = readonly [number, number, number, readonly EventCell[]];
/** One that may yet be, or cease to be, visible: the same, and from when it counts no more (null: nothing is known of that). */
export type RecentEvent = readonly [...KeptEvent, number | null];

/** Of one entity what each fold changes. */
export interface EntityRecent {
  /** Sequence of the last line that is folded in. */
  readonly s: number;
  readonly e: readonly RecentEvent[];
}

/** Of one entity what seldom changes, beside its events by tile. */
export interface EntitySummary {
  /** Pre-aggregates by their number, which is the event time divided by the shape's width. */
  readonly t: readonly (readonly [tile: number, count: number, operands: Aggregate["operands"]])[];
  /** Events before this one are not kept any more, for there were too many (F35); epoch microseconds. */
  readonly from?: number;
}

/** The rows of one entity in an online store, as whoever answers reads them. */
export interface EntityReader {
  recent(): EntityRecent | undefined;
  summary(): EntitySummary | undefined;
  tile(number: number): readonly KeptEvent[];
}

/** The same for whoever folds. What is put is read back by the next call. */
export interface EntityRows extends EntityReader {
  putRecent(recent: EntityRecent): void;
  putSummary(summary: EntitySummary): void;
  putTile(number: number, events: readonly KeptEvent[]): void;
  removeTile(number: number): void;
}

/** Events of one entity that are kept: what is older goes, and windows that would reach it say so (F35). */
export const mostEventsPerEntity = 100_000;
/** No more of them are recent: each fold writes those anew. */
export const mostRecentPerEntity = 20_000;
/** So many events go into tiles at once: each time the tile's events are written anew. */
const settleAtOnce = 32;

/**
 * Takes lines of one entity in, in the order of the log; what is folded in already changes nothing. An event goes into its tile once every moment
 * that may be asked about sees it, and out of it as soon as a withdrawal names it; what no window reaches any more is dropped.
 *
 * @param exactFrom earlier moments are not asked about; epoch microseconds, never less than at an earlier fold
 */
export function foldEntity(
  shape: WindowShape,
  rows: EntityRows,
  lines: readonly EventRecord[],
  exactFrom: number,
): void {
  update(shape, rows, lines, exactFrom, settleAtOnce);
}

/** Settles when so many events can be; what was not asked for is not read. */
function update(
  shape: WindowShape,
  rows: EntityRows,
  lines: readonly EventRecord[],
  exactFrom: number,
  leastSettled: number,
): void {
  const { s: folded, e: known } = rows.recent() ?? { s: 0, e: [] };
  const reached = exactFrom - shape.longestMicros;
  const tiles = new TileEdit(shape, rows);
  const recent = new Map(known.map((event) => [event[2], event] as const));
  let last = folded;
  for (const line of lines) {
    if (line.sequence <= folded) continue;
    last = Math.max(last, line.sequence);
    if (line.event <= reached) continue;
    if (line.withdraws === undefined)
      recent.set(line.sequence, [line.event, line.available, line.sequence, line.values, null]);
    else withdraw(recent, tiles, line, line.withdraws);
  }
  const kept = [...recent.values()]
    .filter(([event, , , , until]) => event > reached && (until === null || until > exactFrom))
    .toSorted((one, other) => one[0] - other[0] || one[2] - other[2]);
  const canSettle = ([, available, , , until]: RecentEvent): boolean =>
    until === null && available <= exactFrom;
  const settled = kept.filter(canSettle);
  const isSettling = settled.length >= leastSettled || kept.length > mostRecentPerEntity;
  const left = isSettling ? kept.filter((event) => !canSettle(event)) : kept;
  const newest = left.slice(-mostRecentPerEntity);
  rows.putRecent({ s: last, e: newest });
  if (isSettling) {
    for (const [event, available, sequence, values] of settled)
      tiles.add([event, available, sequence, values]);
    if (newest.length < left.length) tiles.forget((newest[0]?.[0] ?? 0) + 1);
    tiles.bound(reached, newest.length);
  }
  tiles.write();
}

function withdraw(
  recent: Map<number, RecentEvent>,
  tiles: TileEdit,
  { event, available }: EventRecord,
  sequence: number,
): void {
  const known = recent.get(sequence);
  const until = Math.min(available, known?.[4] ?? Number.POSITIVE_INFINITY);
  const kept = known ?? tiles.take(event, sequence);
  if (kept) recent.set(sequence, [kept[0], kept[1], kept[2], kept[3], until]);
}

/** Drops what no window reaches; resolves to whether anything of the entity is left. */
export function sweepEntity(shape: WindowShape, rows: EntityRows, exactFrom: number): boolean {
  update(shape, rows, [], exactFrom, 0);
  return (rows.recent()?.e.length ?? 0) > 0 || (rows.summary()?.t.length ?? 0) > 0;
}

/** Tiles of an entity while a fold changes them: only what changes is read and written. */
class TileEdit {
  readonly #shape: WindowShape;
  readonly #rows: EntityRows;
  /** Events of the tiles that change, and what they add up to; undefined where it must be added up anew. */
  readonly #changed = new Map<number, { events: KeptEvent[]; sum: Aggregator | undefined }>();
  readonly #aggregator: Aggregator;
  #known: Map<number, EntitySummary["t"][number]> | undefined;
  #from: number | undefined;
  #isSummaryOld = false;

  constructor(shape: WindowShape, rows: EntityRows) {
    this.#shape = shape;
    this.#rows = rows;
    this.#aggregator = new Aggregator(shape);
  }

  add(event: KeptEvent): void {
    const tile = this.#change(this.#numberOf(event[0]));
    tile.events.push(event);
    tile.sum?.addEvent({ event: event[0], available: event[1], values: event[3] });
  }

  /** Takes the event of a sequence out of its tile. Nothing is ever subtracted: the rest is added up anew. */
  take(event: number, sequence: number): KeptEvent | undefined {
    const number = this.#numberOf(event);
    if (!this.#tiles().has(number) && !this.#changed.has(number)) return undefined;
    const tile = this.#change(number);
    const at = tile.events.findIndex((kept) => kept[2] === sequence);
    if (at < 0) return undefined;
    tile.sum = undefined;
    return tile.events.splice(at, 1)[0];
  }

  /** Events before this one are not kept from now on. */
  forget(before: number): void {
    this.#tiles();
    if (before <= (this.#from ?? Number.NEGATIVE_INFINITY)) return;
    this.#from = before;
    this.#isSummaryOld = true;
  }

  /** Drops tiles that no window reaches, and the oldest ones of an entity that has too many events, `more` of them elsewhere. */
  bound(reached: number, more: number): void {
    const known = this.#tiles();
    const numbers = [...new Set([...known.keys(), ...this.#changed.keys()])].toSorted((a, b) => a - b);
    const countOf = (number: number): number =>
      this.#changed.get(number)?.events.length ?? known.get(number)?.[1] ?? 0;
    let total = more + numbers.reduce((sum, number) => sum + countOf(number), 0);
    for (const number of numbers) {
      const end = (number + 1) * this.#shape.tileMicros;
      const isPast = end - 1 <= Math.max(reached, (this.#from ?? Number.NEGATIVE_INFINITY) - 1);
      if (!isPast && total <= mostEventsPerEntity) return;
      total -= countOf(number);
      if (!isPast) this.forget(end);
      this.#drop(number);
    }
  }

  /** Writes what changed. */
  write(): void {
    for (const [number, { events, sum }] of this.#changed) {
      if (events.length === 0) {
        this.#drop(number);
        continue;
      }
      this.#rows.putTile(
        number,
        events.toSorted((one, other) => one[2] - other[2]),
      );
      const { count, operands } = (sum ?? this.#sumOf(events)).aggregate();
      this.#tiles().set(number, [number, count, operands]);
      this.#isSummaryOld = true;
    }
    if (!this.#isSummaryOld) return;
    const t = [...this.#tiles().values()].toSorted((one, other) => one[0] - other[0]);
    this.#rows.putSummary({ t, ...(this.#from === undefined ? {} : { from: this.#from }) });
  }

  #numberOf(event: number): number {
    return Math.floor(event / this.#shape.tileMicros);
  }

  #tiles(): Map<number, EntitySummary["t"][number]> {
    if (this.#known) return this.#known;
    const { t, from } = this.#rows.summary() ?? { t: [] };
    this.#from = from;
    return (this.#known = new Map(t.map((tile) => [tile[0], tile])));
  }

  #drop(number: number): void {
    this.#changed.delete(number);
    if (!this.#tiles().delete(number)) return;
    this.#rows.removeTile(number);
    this.#isSummaryOld = true;
  }

  #change(number: number): { events: KeptEvent[]; sum: Aggregator | undefined } {
    const changed = this.#changed.get(number);
    if (changed) return changed;
    const known = this.#tiles().get(number);
    const sum = this.#aggregator.fresh();
    if (known) sum.addAggregate({ count: known[1], operands: known[2] });
    const tile = { events: known ? [...this.#rows.tile(number)] : [], sum };
    this.#changed.set(number, tile);
    return tile;
  }

  #sumOf(events: readonly KeptEvent[]): Aggregator {
    const sum = this.#aggregator.fresh();
    for (const [event, available, , values] of events) sum.addEvent({ event, available, values });
    return sum;
  }
}

/**
 * A view's windows of one entity at T, in the view's order; `undefined` where a window would reach events that are not kept (F35). Whole tiles as
 * they add up, the tile that T − window falls into and what is recent event by event: both edges are exact. Reads only.
 *
 * @param at not before `exactFrom` of the last fold
 */
export function entityWindowsAt(
  shape: WindowShape,
  rows: EntityReader,
  at: number,
): (number | null | undefined)[] {
  const summary = rows.summary();
  const recent = (rows.recent()?.e ?? []).filter(
    ([, available, , , until]) => available <= at && (until === null || at < until),
  );
  const empty = new Aggregator(shape);
  const byWindow = new Map<number, Aggregator>();
  const sumOf = (windowMicros: number): Aggregator => {
    const known = byWindow.get(windowMicros);
    if (known) return known;
    const sum = empty.fresh();
    const start = at - windowMicros;
    const edge = Math.floor(start / shape.tileMicros);
    for (const [number, count, operands] of summary?.t ?? []) {
      if (number > edge) sum.addAggregate({ count, operands });
      else if (number === edge)
        for (const [event, available, , values] of rows.tile(number))
          if (event > start) sum.addEvent({ event, available, values });
    }
    for (const [event, available, , values] of recent)
      if (event > start) sum.addEvent({ event, available, values });
    byWindow.set(windowMicros, sum);
    return sum;
  };
  return shape.features.map((feature) => {
    const isKept = summary?.from === undefined || at - feature.windowMicros + 1 >= summary.from;
    return isKept ? sumOf(feature.windowMicros).valueOf(feature) : undefined;
  });
}
