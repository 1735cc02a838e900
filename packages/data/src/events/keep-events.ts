import {
  digestBytes,
  type EnvironmentPlace,
  type JsonObject,
  ownerOf,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import type { StoredContract } from "../contracts/contract-store.ts";
import { countWaiting, type EventPlace, insertEvents, type Waiting } from "./event-store.ts";

export const eventQueue = "data.batch_events";

/** Beyond so many waiting events of one place, or so many bytes, senders have to wait: they are rows of a database, and no queue without end. */
export const mostWaiting: Waiting = { events: 500_000, bytes: 2 ** 30 };

/** What waits there when that is as much as may; a few events may come beyond it at once. */
export async function findFull(sql: Sql, place: EventPlace): Promise<Waiting | undefined> {
  const waiting = await countWaiting(sql, place);
  return waiting.events >= mostWaiting.events || waiting.bytes >= mostWaiting.bytes ? waiting : undefined;
}

/** A request that began in a window has committed by then. */
const graceMs = 2000;

/** The window that an instant (epoch microseconds) is in: its events become one batch. */
export function windowOf(now: number, windowMs: number): number {
  return Math.floor(now / (windowMs * 1000));
}

/** When the next window begins, epoch microseconds. */
export function nextWindow(window: number, windowMs: number): number {
  return (window + 1) * windowMs * 1000;
}

/** When the events of a window become a batch, epoch microseconds; they are judged as of then, at the door too. */
export function windowEnd(window: number, windowMs: number): number {
  return nextWindow(window, windowMs) + graceMs * 1000;
}

/** When a window begins, epoch microseconds: datasets that were published by then are what its events' foreign keys are looked up in. */
export function windowStart(window: number, windowMs: number): number {
  return window * windowMs * 1000;
}

export interface EventsToKeep {
  readonly contract: Pick<StoredContract, "id" | "name" | "version">;
  readonly place: EnvironmentPlace;
  readonly lines: readonly string[];
  /** Counts, for the ledger. */
  readonly detail: JsonObject;
  /** Events of so long a time become one batch. */
  readonly windowMs: number;
  /** Nothing is kept where that much waits already; absent where room was made sure of before. */
  readonly most?: Waiting;
}

/**
 * Keeps events in the caller's transaction, with their ledger row and the job that makes a batch of them once their window is over. Resolves to their
 * numbers, or to what waits where that is as much as may: then nothing is written.
 */
export async function keepEvents(
  tx: Transaction,
  events: EventsToKeep,
): Promise<{ readonly numbers: number[] } | { readonly full: Waiting }> {
  const { contract, place, lines, windowMs, detail, most } = events;
  const { environment } = place;
  const at = eventPlace(tx.call.actor.organisationId, contract.name, place);
  const kept = await insertEvents(tx.sql, at, tx.now, lines, most);
  if ("full" in kept) return kept;
  await enqueueBatch(tx, contract.name, place, windowMs);
  await tx.record({
    event: "data.events.received",
    subject: contract.id,
    after: digestBytes(new TextEncoder().encode(lines.join("\n"))),
    detail: { contract: contract.name, version: contract.version, environment, ...detail },
  });
  return kept;
}

/** The job that makes a batch of the events of the window that is now, once however often it is asked for. */
export async function enqueueBatch(
  tx: Transaction,
  contract: string,
  place: EnvironmentPlace,
  windowMs: number,
): Promise<void> {
  const { environment, useCaseId } = place;
  const window = windowOf(tx.now, windowMs);
  await tx.enqueue({
    queue: eventQueue,
    // A window's number means another time once the operator sets another length.
    payload: { contract, environment, window, windowMs, ...(useCaseId === undefined ? {} : { useCaseId }) },
    key: [contract, environment, useCaseId ?? "", window].join(":"),
    place: { environment, ...ownerOf(place) },
  });
}

export function eventPlace(organisationId: string, contract: string, place: EnvironmentPlace): EventPlace {
  const { environment, useCaseId } = place;
  return { organisationId, contract, environment, ...(useCaseId === undefined ? {} : { useCaseId }) };
}
