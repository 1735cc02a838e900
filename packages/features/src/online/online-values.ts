import { createHash } from "node:crypto";
import { asEpochMicros, type EpochMicros, PortolanError } from "@portolan/kernel";
import { type EarlyChanges, withEarly } from "../early/early-windows.ts";
import type { FeatureErrorCode } from "../errors.ts";
import type { EntityReader } from "../events/entity-windows.ts";
import { readWindows } from "../events/read-windows.ts";
import type { FeatureValue } from "../feature-value.ts";
import {
  compareRank,
  foldRecords,
  historyMicros,
  type LogRecord,
  recordAt,
  statusAt,
} from "../log/log-record.ts";
import type { LogFold, OnlineRecord, OnlineVector, OnlineViewHeader, OnlineViewKey } from "../ports.ts";

/**
 * What online stores keep and what they make of it: every driver of the port `OnlineStore` stores these values, and answers by these functions, so that
 * no answer depends on the driver (docs/spec/features.md, F8 to F12, F16 and F18). Pure.
 */

/** What a store knows of a view as a whole. */
export interface StoredHeader extends OnlineViewHeader {
  /** Epoch microseconds; never goes back. */
  readonly asOf: number;
  /** The generation that readers look into, from 1. */
  readonly generation: number;
  /** How far a log is folded; absent where a materialisation wrote the values. */
  readonly fold?: { readonly log: string; readonly sequence: number };
}

/** What a materialisation computed for one entity. */
export interface StoredVector {
  /** As of, epoch microseconds. */
  readonly a: number;
  readonly v: readonly FeatureValue[];
}

/** Records of one entity that can still win: event, available, sequence, 1 for a tombstone, values. */
export interface StoredRecords {
  readonly r: readonly (readonly [number, number, number, 0 | 1, readonly FeatureValue[]])[];
}

export type StoredEntity = StoredVector | StoredRecords;

/** What a request asks for may be longer than a store's keys can be, and must be not found, not a fault. */
const longestPart = 100;

/** An entity's key, part by part: 64-bit integers have one form (decimal) whether they come from JSON, from DuckDB or from a stream. */
export function keyParts(key: readonly (string | number)[]): string[] {
  return key.map((part) => {
    const text = String(part);
    return text.length <= longestPart ? `=${text}` : `#${createHash("sha256").update(text).digest("hex")}`;
  });
}

/** What a store has of one entity: its values, or the rows of its windows. */
export interface EntityInStore extends EntityReader {
  values(): StoredEntity | undefined;
  /** Early records of a view of values, in any order; absent in a store that has no early values. */
  early?(): readonly LogRecord[];
  /** What early versions change about its windows. */
  changes?(): EarlyChanges;
}

/** What a store answers by what it has. */
export function answerOf(
  view: OnlineViewKey,
  header: StoredHeader | undefined,
  entity: EntityInStore,
  at: EpochMicros,
): OnlineVector {
  // Another definition under the same name: its values mean something else.
  if (header && header.digest !== view.digest) return { status: "not_found", values: {} };
  const isEarly = header?.isEarly === true;
  if (header?.windows) {
    const { windows } = header;
    const changes = isEarly ? entity.changes?.() : undefined;
    const rows = changes ? withEarly(windows, entity, changes) : entity;
    return readWindows({ ...header, windows }, header.asOf, rows, at);
  }
  const stored = header && entity.values();
  const early = (isEarly && entity.early?.()) || [];
  if (header && early.length > 0) return readRecords(header, stored, at, early);
  if (!stored) return { status: "not_found", values: notFound(header) };
  return isRecords(stored) ? readRecords(header, stored, at) : readVector(header, stored, at);
}

function notFound(header: StoredHeader | undefined): OnlineVector["values"] {
  return Object.fromEntries(
    (header?.featureNames ?? []).map((name) => [name, { value: null, status: "not_found" } as const]),
  );
}

function isRecords(stored: StoredEntity): stored is StoredRecords {
  return "r" in stored;
}

/** What is said of an entity's values as a whole, as of when (epoch microseconds), and whose values count. */
export type Standing<R> =
  | { readonly status: "found"; readonly asOf: number; readonly record: R }
  | { readonly status: "not_found" | "outside_max_age"; readonly asOf?: number };

/** What is said at T of values that a materialisation computed, as of when. Pure. */
export function vectorStanding<V>(header: StoredHeader, vector: V, asOf: number, at: number): Standing<V> {
  const age = at - asOf;
  return age < 0 || age > header.ttlMicros
    ? { status: "outside_max_age", asOf }
    : { status: "found", asOf, record: vector };
}

/**
 * What is said at T by what is kept of an entity's records. Pure.
 * @param records what is kept, by availability; undefined when nothing is stored of the entity
 * @param early records whose batch is under way
 */
export function recordsStanding<R extends Omit<LogRecord, "values">>(
  header: StoredHeader,
  records: readonly R[] | undefined,
  at: number,
  early: readonly R[] = [],
): Standing<R> {
  const logged = records && recordAt(records, at);
  if (records && !logged && at < exactFromOf(header)) {
    // Whatever was visible then is not kept any more.
    const [oldest] = records;
    return { status: "outside_max_age", ...(oldest ? { asOf: oldest.event } : {}) };
  }
  const record = newestAt(early, at, logged);
  const status = statusAt(record, at, header.ttlMicros);
  if (!record || status === "not_found") return { status: "not_found" };
  return status === "found" ? { status, asOf: record.event, record } : { status, asOf: record.event };
}

function readVector(header: StoredHeader, vector: StoredVector, at: EpochMicros): OnlineVector {
  const standing = vectorStanding(header, vector, vector.a, at);
  return vectorOf(header, standing, standing.status === "found" ? standing.record.v : []);
}

function readRecords(
  header: StoredHeader,
  stored: StoredEntity | undefined,
  at: EpochMicros,
  early: readonly LogRecord[] = [],
): OnlineVector {
  const records = stored && (isRecords(stored) ? stored.r.map(recordOf) : []);
  const standing = recordsStanding(header, records, at, early);
  return vectorOf(header, standing, standing.status === "found" ? standing.record.values : []);
}

function vectorOf(
  header: StoredHeader,
  { status, asOf }: Standing<unknown>,
  values: readonly FeatureValue[],
): OnlineVector {
  const found: Record<string, OnlineVector["values"][string]> = {};
  // A loop without further objects: a request reads hundreds of rows of tens of values.
  for (const [index, name] of header.featureNames.entries()) {
    const value = status === "found" ? (values[index] ?? null) : null;
    found[name] = { value, status: status === "found" ? presence(value) : status };
  }
  return { status, ...(asOf === undefined ? {} : { asOf: asEpochMicros(asOf) }), values: found };
}

/** Who wins at T of a log's winner and early records. */
function newestAt<R extends Omit<LogRecord, "values">>(
  early: readonly R[],
  at: number,
  logged: R | undefined,
): R | undefined {
  let best = logged;
  for (const record of early)
    if (record.available <= at && (!best || compareRank(record, best) > 0)) best = record;
  return best;
}

function presence(value: FeatureValue): "present" | "null" {
  return value === null ? "null" : "present";
}

export { countValues, emptyValueState, isCountDue } from "./value-tally.ts";

export function exactFromOf({ asOf }: Pick<StoredHeader, "asOf">): number {
  return asOf - historyMicros;
}

/** What is kept of an entity's values once more of its records came. */
export function foldValues(
  header: StoredHeader,
  stored: StoredEntity | undefined,
  incoming: readonly OnlineRecord["record"][],
): StoredRecords {
  const kept = stored && isRecords(stored) ? stored.r.map(recordOf) : [];
  return { r: foldRecords(kept, incoming as readonly LogRecord[], exactFromOf(header)).map(storedOf) };
}

function recordOf([event, available, sequence, tombstone, values]: StoredRecords["r"][number]): LogRecord {
  return { event, available, sequence, isTombstone: tombstone === 1, values };
}

function storedOf({
  event,
  available,
  sequence,
  isTombstone,
  values,
}: LogRecord): StoredRecords["r"][number] {
  return [event, available, sequence, isTombstone ? 1 : 0, values];
}

/** Records of one page by entity: each with its key and its records. */
export function byEntity(
  page: readonly OnlineRecord[],
): { readonly key: readonly string[]; readonly records: readonly OnlineRecord["record"][] }[] {
  const groups = Map.groupBy(page, ({ key }) => JSON.stringify(key));
  return [...groups.values()].map((group) => ({
    key: group[0]?.key ?? [],
    records: group.map(({ record }) => record),
  }));
}

/** Whether a fold adds to what is online, or begins a generation of its own: another log is there, or none, or the fold says so. */
export function goesOn(
  header: StoredHeader | undefined,
  view: OnlineViewKey,
  { log, isAnew }: LogFold,
): boolean {
  return !isAnew && header?.digest === view.digest && header.fold?.log === log;
}

/**
 * The header before the first page: it says first what is not kept any more, for whoever asks for an earlier moment.
 * @throws PortolanError `features.fold_gap`
 */
export function headerBefore(
  before: StoredHeader | undefined,
  view: OnlineViewHeader,
  fold: LogFold,
): StoredHeader {
  const continued = before && goesOn(before, view, fold) ? before : undefined;
  const folded = continued?.fold?.sequence ?? 0;
  if (fold.after > folded)
    throw new PortolanError<FeatureErrorCode>("features.fold_gap", {
      detail: `${view.view} is folded up to record ${folded}, and records after ${fold.after} came`,
      mend: "Start the materialisation again: it goes on from where the store is.",
    });
  return {
    ...view,
    asOf: continued ? Math.max(continued.asOf, fold.asOf) : fold.asOf,
    generation: continued?.generation ?? (before?.generation ?? 0) + 1,
    fold: { log: fold.log, sequence: folded },
  };
}

/** The header after the last page: its records are online. */
export function headerAfter(header: StoredHeader, { log, upTo }: LogFold): StoredHeader {
  return { ...header, fold: { log, sequence: Math.max(header.fold?.sequence ?? 0, upTo) } };
}

/** Nothing of this write is to be seen; whoever was refused may do it again. */
export function writtenElsewhere(view: OnlineViewKey): PortolanError<FeatureErrorCode> {
  return new PortolanError("features.online_busy", {
    detail: `Another process wrote the online values of ${view.view} at the same time.`,
    mend: "Let one process write, and start the materialisation again.",
  });
}

/** As of when what is online is newer than what would replace it. */
export function newerOnline(
  before: StoredHeader | undefined,
  { digest }: OnlineViewKey,
  asOf: EpochMicros,
): EpochMicros | undefined {
  return before && before.digest === digest && before.asOf > asOf ? asEpochMicros(before.asOf) : undefined;
}
