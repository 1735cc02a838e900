import type {
  AcceptedRange,
  EarlyLine,
  EarlyValues,
  EntityPart,
  LogRecord,
  OnlineRecord,
  OnlineViewHeader,
  OnlineViewKey,
} from "@portolan/features/contract";
import { keyParts, type StoredHeader } from "@portolan/features/online-values";
import {
  type EarlyChanges,
  type EventRecord,
  type EventVersion,
  earlyChanges,
  earlyRecord,
  earlySequence,
} from "@portolan/features/online-windows";
import { headerOf, identityKeyOf, type Key, placeOf, type Values } from "./stored-values.ts";

/**
 * Early values lie beside what a fold wrote, below a definition of their view, and are gone when they are settled: a line by its number (`s`); of a view of values
 * each entity's records (`e`); of a view of windows each event's early versions (`i`), and for each entity which events to look at (`m`). What the log has of
 * an event lies in its generation (`identity`), versions that may yet speak.
 */
export type EarlyRow = LineRow | LogRecord | EventRow | VersionsRow | true;

interface LineRow {
  /** When it was accepted. */
  readonly at: number;
  /** Key parts of its entity, null where it has none. */
  readonly key: readonly string[] | null;
  /** The event that it states. */
  readonly id?: string;
}

interface EventRow {
  readonly early: readonly EventVersion[];
  /** Entities that look at it. */
  readonly marked: readonly (readonly string[])[];
}

export interface VersionsRow {
  readonly logged: readonly EventVersion[];
}

/** Lines of one transaction: whoever folds at the same time has its turn in between. */
const linesAtOnce = 2_000;

function below(view: OnlineViewKey, ...more: Key): Key {
  return ["early", ...placeOf(view), view.digest.slice(-16), ...more];
}

export function earlyValues(values: Values): EarlyValues {
  return {
    accept: async (view, log, lines) => {
      for (let from = 0; from < lines.length; from += linesAtOnce)
        await values.transaction(() => {
          const header = headerOf(values, view);
          if (header?.digest !== view.digest || header.fold?.log !== log) return;
          for (const line of lines.slice(from, from + linesAtOnce)) take(values, header, line);
        });
    },
    settle: async (view, ranges) => {
      let settled = 0;
      for (const range of ranges) settled += await settleRange(values, view, range);
      return settled;
    },
    waiting: async (view) =>
      linesOf(values, view).map(({ accepted, row: { at } }) => ({ accepted, acceptedAt: at })),
  };
}

function linesOf(
  values: Values,
  view: OnlineViewKey,
  [first, last]: AcceptedRange = [0, Number.MAX_SAFE_INTEGER],
  limit?: number,
): { readonly accepted: number; readonly row: LineRow }[] {
  const start = below(view, "s", first);
  const range = { start, end: below(view, "s", last + 1), ...(limit === undefined ? {} : { limit }) };
  return Array.from(values.getRange(range), ({ key, value }) => ({
    accepted: Number(key.at(-1)),
    row: value as LineRow,
  }));
}

function take(values: Values, header: StoredHeader, line: EarlyLine): void {
  const { accepted, acceptedAt: at, id } = line;
  const key = line.key ? keyParts(line.key) : null;
  void values.put(below(header, "s", accepted), { at, key, ...(id === undefined ? {} : { id }) });
  if (id === undefined) void values.put(below(header, "e", ...(key ?? []), accepted), earlyRecord(line));
  else takeVersion(values, header, id, versionOf(line, key));
}

function versionOf(line: EarlyLine, key: readonly string[] | null): EventVersion {
  const { event, available, isTombstone, values } = line;
  return { sequence: earlySequence(line), key, event, available, isTombstone, values };
}

function takeVersion(values: Values, header: StoredHeader, id: string, version: EventVersion): void {
  const at = below(header, "i", id);
  const known = values.get(at) as EventRow | undefined;
  const others = (known?.early ?? []).filter(({ sequence }) => sequence !== version.sequence);
  const entities = [version.key, ...loggedVersions(values, header, id).map(({ key }) => key)];
  const marked = mark(values, header, id, known?.marked ?? [], entities);
  void values.put(at, { early: [...others, version], marked });
}

/** Lets entities look at an event; returns all that do. */
function mark(
  values: Values,
  view: OnlineViewKey,
  id: string,
  before: EventRow["marked"],
  entities: readonly EventVersion["key"][],
): EventRow["marked"] {
  const marked = new Map(before.map((key) => [JSON.stringify(key), key]));
  for (const key of entities) {
    if (!key || marked.has(JSON.stringify(key))) continue;
    marked.set(JSON.stringify(key), key);
    void values.put(below(view, "m", ...key, id), true);
  }
  return [...marked.values()];
}

function loggedVersions(values: Values, header: StoredHeader, id: string): readonly EventVersion[] {
  const row = values.get(identityKeyOf(header, header.generation, id)) as VersionsRow | undefined;
  return row?.logged ?? [];
}

/** What the log has of events, by their identity; inside the transaction that folds the page. */
export function noteVersions(values: Values, header: StoredHeader, page: readonly OnlineRecord[]): void {
  for (const { key, record, id } of page) {
    const { event, available, sequence, withdraws, isTombstone = false } = record as EventRecord;
    if (id === undefined || withdraws !== undefined) continue;
    const at = identityKeyOf(header, header.generation, id);
    const { logged } = (values.get(at) as VersionsRow | undefined) ?? { logged: [] };
    const parts = keyParts(key);
    const version = { sequence, key: parts, event, available, isTombstone };
    const others = logged.filter((one) => one.sequence !== sequence);
    // In the order of the log, however often a page comes: equal folds leave equal bytes.
    const inOrder = [...others, version].toSorted((one, other) => one.sequence - other.sequence);
    void values.put(at, { logged: inOrder });
    const early = values.get(below(header, "i", id)) as EventRow | undefined;
    if (!early) continue;
    const marked = mark(values, header, id, early.marked, [parts]);
    void values.put(below(header, "i", id), { ...early, marked });
  }
}

/** Early records of an entity of a view of values. */
export function earlyRecords(
  values: Values,
  view: OnlineViewKey,
  key: readonly (string | number)[],
): LogRecord[] {
  const start = below(view, "e", ...keyParts(key));
  return Array.from(values.getRange(within(start)), ({ value }) => value as LogRecord);
}

/** Whether any entity of a view of values has early records. */
export function hasEarlyRecords(values: Values, view: OnlineViewKey): boolean {
  for (const _ of values.getKeys({ ...within(below(view, "e")), limit: 1 })) return true;
  return false;
}

/** What early versions change about an entity of a view of windows. */
export function changesOf(
  values: Values,
  header: StoredHeader,
  key: readonly (string | number)[],
): EarlyChanges {
  const parts = keyParts(key);
  const start = below(header, "m", ...parts);
  const ids = Array.from(values.getKeys(within(start)), (at) => String(at.at(-1)));
  return earlyChanges(
    parts,
    ids.map((id) => {
      const row = values.get(below(header, "i", id)) as EventRow | undefined;
      return [...loggedVersions(values, header, id), ...(row?.early ?? [])];
    }),
  );
}

/** All keys that begin so: parts that follow are texts and numbers, which come before an array's end. */
function within(start: Key): { readonly start: Key; readonly end: Key } {
  return { start, end: [...start, "\u{10ffff}"] };
}

async function settleRange(
  values: Values,
  view: OnlineViewKey,
  [first, last]: AcceptedRange,
): Promise<number> {
  let settled = 0;
  for (let from = first; ; ) {
    const start = from;
    const lines = await values.transaction(() => {
      const found = linesOf(values, view, [start, last], linesAtOnce);
      for (const { accepted, row } of found) dropLine(values, view, accepted, row);
      return found;
    });
    settled += lines.length;
    const end = lines.at(-1);
    if (!end || lines.length < linesAtOnce) return settled;
    from = end.accepted + 1;
  }
}

/** Inside a transaction. */
function dropLine(values: Values, view: OnlineViewKey, accepted: number, { key, id }: LineRow): void {
  void values.remove(below(view, "s", accepted));
  if (id === undefined) {
    void values.remove(below(view, "e", ...(key ?? []), accepted));
    return;
  }
  const at = below(view, "i", id);
  const row = values.get(at) as EventRow | undefined;
  const sequence = earlySequence({ accepted });
  const early = (row?.early ?? []).filter((version) => version.sequence !== sequence);
  if (early.length > 0) {
    void values.put(at, { early, marked: row?.marked ?? [] });
    return;
  }
  void values.remove(at);
  for (const marked of row?.marked ?? []) void values.remove(below(view, "m", ...marked, id));
}

/** Removes what is early of entities that have this value as a part of their key, and what the log's index knows of them. */
export async function forgetEarly(
  values: Values,
  view: OnlineViewHeader | OnlineViewKey,
  { part, value }: EntityPart,
): Promise<void> {
  const [wanted] = keyParts([value]);
  for (const { accepted, row } of linesOf(values, view))
    if (row.key?.[part] === wanted) await settleRange(values, view, [accepted, accepted]);
  const place: Key = ["identity", ...placeOf(view)];
  for (const { key, value: row } of values.getRange(within(place))) {
    const { logged } = row as VersionsRow;
    const left = logged.filter((version) => version.key?.[part] !== wanted);
    if (left.length === logged.length) continue;
    await (left.length > 0 ? values.put(key, { logged: left }) : values.remove(key));
  }
}

/** Events of which nothing can speak any more leave the index. */
export async function sweepIdentities(values: Values, header: StoredHeader, reached: number): Promise<void> {
  const place = identityKeyOf(header, header.generation, "");
  const range = { start: place, end: identityKeyOf(header, header.generation, "\u{10ffff}") };
  let looked = 0;
  for (const { key, value } of values.getRange(range)) {
    const { logged } = value as VersionsRow;
    // Versions come to be known no earlier than they are true.
    if (logged.every(({ available }) => available <= reached)) void values.remove(key);
    looked += 1;
    if (looked % linesAtOnce === 0) await new Promise(setImmediate);
  }
}
