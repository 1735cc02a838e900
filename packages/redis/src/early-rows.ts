import type { EarlyLine, LogRecord, OnlineRecord, OnlineViewKey } from "@portolan/features/contract";
import { keyParts } from "@portolan/features/online-values";
import {
  type EarlyChanges,
  type EventRecord,
  type EventVersion,
  earlyChanges,
  earlyRecord,
  earlySequence,
} from "@portolan/features/online-windows";
import { earlyFields, type HashFields, identityField } from "./online-fields.ts";

/**
 * Early values lie beside what a fold wrote, and are gone when they are settled: a line by its number; of a view of values each entity's records; of a view of
 * windows each event's early versions, and for each entity which events to look at. What the log has of an event lies in its generation. Functions
 * edit what was read, and are done again when something is missing.
 */
export interface LineRow {
  /** When it was accepted. */
  readonly at: number;
  /** Key parts of its entity, null where it has none. */
  readonly key: readonly string[] | null;
  /** The event that it states. */
  readonly id?: string;
}

interface EventRow {
  readonly early: readonly EventVersion[];
  /** Entities that look at it, as fields. */
  readonly marked: readonly string[];
}

type DefinitionOf = Pick<OnlineViewKey, "digest">;

/** What a line is taken in by, as far as the line tells. */
export function fieldsOfLine(view: DefinitionOf, { key, id }: Pick<EarlyLine, "key" | "id">): string[] {
  const names = earlyFields(view);
  const entity = entityField(key ? keyParts(key) : []);
  if (id === undefined) return [names.records(entity)];
  return [names.event(id), identityField(id), ...(key ? [names.marks(entity)] : [])];
}

export function takeLine(rows: HashFields, view: DefinitionOf, line: EarlyLine): void {
  const { accepted, acceptedAt: at, id } = line;
  const names = earlyFields(view);
  const key = line.key ? keyParts(line.key) : null;
  const row: LineRow = { at, key, ...(id === undefined ? {} : { id }) };
  rows.put(names.line(accepted), row);
  if (id !== undefined) {
    takeVersion(rows, view, id, versionOf(line, key));
    return;
  }
  const place = names.records(entityField(key ?? []));
  const known = (rows.get(place) as readonly LogRecord[] | undefined) ?? [];
  rows.put(place, inOrder(known, earlyRecord(line)));
}

function versionOf(line: EarlyLine, key: readonly string[] | null): EventVersion {
  const { event, available, isTombstone, values } = line;
  return { sequence: earlySequence(line), key, event, available, isTombstone, values };
}

function takeVersion(rows: HashFields, view: DefinitionOf, id: string, version: EventVersion): void {
  const place = earlyFields(view).event(id);
  const known = rows.get(place) as EventRow | undefined;
  const entities = [version.key, ...loggedVersions(rows, id).map(({ key }) => key)];
  const marked = mark(rows, view, id, known?.marked ?? [], entities);
  rows.put(place, { early: inOrder(known?.early ?? [], version), marked });
}

/** Lets entities look at an event; returns all that do. */
function mark(
  rows: HashFields,
  view: DefinitionOf,
  id: string,
  before: EventRow["marked"],
  entities: readonly EventVersion["key"][],
): EventRow["marked"] {
  const marked = new Set(before);
  for (const key of entities) {
    if (!key || marked.has(entityField(key))) continue;
    marked.add(entityField(key));
    const place = earlyFields(view).marks(entityField(key));
    const known = marksAt(rows, place);
    if (!known.includes(id)) rows.put(place, [...known, id]);
  }
  return [...marked];
}

function marksAt(rows: HashFields, place: string): readonly string[] {
  return (rows.get(place) as readonly string[] | undefined) ?? [];
}

function loggedVersions(rows: HashFields, id: string): readonly EventVersion[] {
  return (rows.get(identityField(id)) as readonly EventVersion[] | undefined) ?? [];
}

/** What the log has of events, by their identity; in the step that folds them. */
export function noteVersions(rows: HashFields, view: DefinitionOf, records: readonly OnlineRecord[]): void {
  for (const { key, record, id } of records) {
    const { event, available, sequence, withdraws, isTombstone = false } = record as EventRecord;
    if (id === undefined || withdraws !== undefined) continue;
    const parts = keyParts(key);
    const version = { sequence, key: parts, event, available, isTombstone };
    rows.put(identityField(id), inOrder(loggedVersions(rows, id), version));
    const place = earlyFields(view).event(id);
    const early = rows.get(place) as EventRow | undefined;
    if (early) rows.put(place, { ...early, marked: mark(rows, view, id, early.marked, [parts]) });
  }
}

/** What early versions change about an entity of a view of windows. */
export function changesOf(rows: HashFields, view: DefinitionOf, entity: string): EarlyChanges {
  const names = earlyFields(view);
  return earlyChanges(
    JSON.parse(entity) as string[],
    marksAt(rows, names.marks(entity)).map((id) => {
      const row = rows.get(names.event(id)) as EventRow | undefined;
      return [...loggedVersions(rows, id), ...(row?.early ?? [])];
    }),
  );
}

export function dropLine(rows: HashFields, view: DefinitionOf, accepted: number): void {
  const names = earlyFields(view);
  const line = rows.get(names.line(accepted)) as LineRow | undefined;
  if (!line) return;
  rows.remove(names.line(accepted));
  const { key, id } = line;
  const sequence = earlySequence({ accepted });
  if (id === undefined) {
    const place = names.records(entityField(key ?? []));
    const left = without((rows.get(place) as readonly LogRecord[] | undefined) ?? [], sequence);
    if (left.length > 0) rows.put(place, left);
    else rows.remove(place);
    return;
  }
  const row = rows.get(names.event(id)) as EventRow | undefined;
  const early = without(row?.early ?? [], sequence);
  const marked = row?.marked ?? [];
  if (early.length > 0) rows.put(names.event(id), { early, marked });
  else {
    rows.remove(names.event(id));
    for (const entity of marked) unmark(rows, view, id, entity);
  }
}

function unmark(rows: HashFields, view: DefinitionOf, id: string, entity: string): void {
  const place = earlyFields(view).marks(entity);
  const left = marksAt(rows, place).filter((one) => one !== id);
  if (left.length > 0) rows.put(place, left);
  else rows.remove(place);
}

/** In the order of the log, however often one comes: equal folds leave equal bytes. */
function inOrder<R extends { readonly sequence: number }>(known: readonly R[], added: R): readonly R[] {
  return [...without(known, added.sequence), added].toSorted((one, other) => one.sequence - other.sequence);
}

function without<R extends { readonly sequence: number }>(
  rows: readonly R[],
  sequence: number,
): readonly R[] {
  return rows.filter((row) => row.sequence !== sequence);
}

function entityField(parts: readonly string[]): string {
  return JSON.stringify(parts);
}
