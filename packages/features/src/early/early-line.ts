import { createHash } from "node:crypto";
import type { AcceptedRow } from "@portolan/data/contract";
import { evaluate, type Row, type Value } from "@portolan/expressions";
import type { EventCell } from "../events/event-record.ts";
import { operandsOf } from "../events/operands.ts";
import { type FeatureValue, featureText } from "../feature-value.ts";
import type { LogRecord } from "../log/log-record.ts";
import { isValueView, type LogView } from "../view-model.ts";

/**
 * An accepted event as a view's log would have it, while its batch is under way (docs/spec/features.md, F53). Plain data: it goes to the writer of
 * the online store as it is.
 */
export interface EarlyLine {
  /** Its number among all accepted events, from 1. */
  readonly accepted: number;
  /** When it was accepted, epoch microseconds. */
  readonly acceptedAt: number;
  /** In the view's key order; a tombstone of a view of windows may have none. */
  readonly key: readonly string[] | undefined;
  readonly event: number;
  readonly available: number;
  readonly isTombstone: boolean;
  /** Of a view of windows: which event it states, `identityKey` of it. */
  readonly id?: string;
  /** Of values the values; of windows what they aggregate. */
  readonly values: readonly EventCell[];
}

/** Instants are exact in a double up to here. */
const lastInstant = BigInt(Number.MAX_SAFE_INTEGER);

/** A row as a record of a view's log, whichever form it is kept in. */
export interface StatedRecord {
  /** In the view's key order; a tombstone of a view of windows may have none. */
  readonly key: readonly string[] | undefined;
  readonly event: number;
  readonly available: number;
  readonly isTombstone: boolean;
  /** Of a view of windows: what names the event. */
  readonly identity?: readonly string[];
  /** Of values the values, none of a tombstone; of windows what they aggregate. */
  readonly cells: readonly Value[];
}

/**
 * A row that its contract accepted, as a record of the view's log: the same that the plan of the log's segments makes of it. `undefined` when it is none
 * (F15, F30). Pure.
 */
export function statedRecord(view: LogView, row: Row): StatedRecord | undefined {
  const event = row[view.eventTime];
  const known = evaluate(view.available, row);
  if (typeof event !== "bigint" || typeof known !== "bigint") return undefined;
  const available = known > event ? known : event;
  if (event < -lastInstant || event > lastInstant || available > lastInstant) return undefined;
  const isTombstone = view.tombstone !== undefined && evaluate(view.tombstone, row) === true;
  const parts = view.entity.map(({ column }) => textOf(row[column] ?? null));
  const key = parts.every((part) => part !== null) ? parts : undefined;
  const record = { key, event: Number(event), available: Number(available), isTombstone };
  if (isValueView(view)) {
    if (!key) return undefined;
    const cells = view.values.map(({ value }) => (isTombstone ? null : featureOf(evaluate(value, row))));
    return { ...record, cells };
  }
  const identity = view.identity.columns.map((column) => textOf(row[column] ?? null));
  if (!identity.every((part) => part !== null) || (!key && !isTombstone)) return undefined;
  return { ...record, identity, cells: operandsOf(view).map((of) => evaluate(of, row)) };
}

/** What expressions read of a row: no objects, no arrays. */
export function readableRow(values: AcceptedRow["values"]): Row {
  return Object.fromEntries(
    Object.entries(values).filter((cell): cell is [string, Value] => !isJson(cell[1])),
  );
}

function isJson(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** The same as an early line. Pure. */
export function earlyLine(
  view: LogView,
  row: Row,
  { accepted, acceptedAt }: Pick<EarlyLine, "accepted" | "acceptedAt">,
): EarlyLine | undefined {
  const record = statedRecord(view, row);
  if (!record) return undefined;
  const { identity, cells, ...line } = record;
  if (!identity) return { accepted, acceptedAt, ...line, values: cells.map(valueOf) };
  return { accepted, acceptedAt, ...line, id: identityKey(identity), values: cells.map(cellOf) };
}

/** What an online store knows an event's identity by. */
export function identityKey(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 24);
}

/** Where the log has an identity of several parts, it has them as a JSON list. */
export function loggedIdentity(columns: readonly string[], id: string): string {
  return identityKey(columns.length === 1 ? [id] : (JSON.parse(id) as string[]));
}

/** As a log has keys: an integer is its decimal form. */
function textOf(value: Value): string | null {
  return value === null ? null : String(value);
}

function featureOf(value: Value): Value {
  return typeof value === "string" ? featureText(value) : value;
}

/** The double that a model reads, or the text. */
function valueOf(value: Value): FeatureValue {
  return value === null || typeof value === "string" ? value : Number(value);
}

function cellOf(value: Value): EventCell {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** Their places are after all of the log: an early line is newer than what came before it. */
const firstEarly = 2 ** 52;

/** The place of an early line among those of the log; of two early ones that of the later one is greater. */
export function earlySequence({ accepted }: Pick<EarlyLine, "accepted">): number {
  return firstEarly + accepted;
}

/** A line of a view of values as a record beside those of the log. */
export function earlyRecord(line: EarlyLine): LogRecord {
  const { event, available, isTombstone, values } = line;
  return { event, available, isTombstone, sequence: earlySequence(line), values };
}
