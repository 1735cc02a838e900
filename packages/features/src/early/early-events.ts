import type { AcceptedEvents, AcceptedPlace, EarlyTaker, RowsAccess } from "@portolan/data/contract";
import {
  type CallContext,
  type Clock,
  type Id,
  type Logger,
  messageOf,
  newId,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import { type OnlineUse, whyNotByItself } from "../access/online-access.ts";
import { onlineUseOf } from "../access/online-use.ts";
import type { StoredLog } from "../log/log-store.ts";
import { onlineHeader } from "../online-header.ts";
import type { OnlineStore, OnlineViewHeader } from "../ports.ts";
import { hasLog, type LogView } from "../view-model.ts";
import { type EarlyLine, earlyLine, readableRow } from "./early-line.ts";
import { earlyLogs, forgetSettled } from "./early-store.ts";
import { dropStrays, settleBatches } from "./settle-batches.ts";

export interface EarlyDeps {
  readonly uow: UnitOfWork;
  readonly clock: Clock;
  readonly log: Logger;
  readonly online: OnlineStore;
  /** Policies on the data that values are made of. */
  readonly access: RowsAccess;
  /** Brings what waits at a place once more, by `take`. */
  readonly offer: (call: CallContext, place: AcceptedPlace) => Promise<void>;
}

/** A log whose view is online, and takes accepted events in. */
export interface Followed {
  readonly log: StoredLog;
  readonly view: LogView;
  readonly header: OnlineViewHeader;
  /** Whether policies let its values go online by themselves. What went before they did not is settled all the same. */
  readonly mayGoOnline: boolean;
}

/**
 * Text of the events that are held for the writer, as rows some times as large: whoever sends more waits for the answer. One request is taken however
 * large it is.
 */
const mostBytes = 8 * 2 ** 20;
/** Rows that go to the writer at once. */
const rowsAtOnce = 2_000;
/** Lines whose events are gone, without a batch that told so: how often they are looked for. */
const straysEveryMicros = 60_000_000;

/**
 * Brings accepted events online while their batch is under way, and takes them out again once it has ended (docs/spec/features.md, F53 to F56). What it
 * holds is in the database as well; it may be lost at any moment.
 */
export class EarlyEvents implements EarlyTaker {
  readonly #deps: EarlyDeps;
  #followed = new Map<string, Followed[]>();
  readonly #queue: { readonly place: string; readonly events: AcceptedEvents }[] = [];
  /** What is not online yet: it is in the queue, or is being written. */
  readonly #held = new Set<AcceptedEvents>();
  /** Of all that was ever taken, and of what of it is done; in the same order. */
  #takenBytes = 0;
  #doneBytes = 0;
  #working: Promise<void> | undefined;
  #whenRoom: (() => void)[] = [];
  /** Places of which lines may be missing online. */
  readonly #behind = new Set<string>();
  #straysAt = 0;
  /** By log: batches that ended before are settled. */
  #settledTo = new Map<string, number>();

  constructor(deps: EarlyDeps) {
    this.#deps = deps;
  }

  wants(place: AcceptedPlace): boolean {
    return this.#followed.has(placeKey(place));
  }

  async take(place: AcceptedPlace, events: AcceptedEvents): Promise<void> {
    if (events.rows.length === 0 || !this.wants(place)) return;
    this.#held.add(events);
    // Its place is where it came: a small request does not pass a large one that waits for room.
    this.#queue.push({ place: placeKey(place), events });
    const before = this.#takenBytes;
    this.#takenBytes += events.bytes;
    this.#start();
    while (before > this.#doneBytes && before + events.bytes - this.#doneBytes > mostBytes)
      await new Promise<void>((resolve) => this.#whenRoom.push(resolve));
  }

  #start(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      // What came after the last look at the queue.
      if (this.#queue.length > 0) this.#start();
    });
  }

  /** Looks for views that came online, and for batches that ended. To be called again and again. */
  async look(): Promise<void> {
    if (!this.#deps.online.early) return;
    const before = new Set([...this.#followed.values()].flat().map(({ log }) => log.id));
    const followed = await this.#find();
    const taking = followed.filter(({ mayGoOnline }) => mayGoOnline);
    this.#followed = Map.groupBy(taking, ({ log }) => placeKey(placeOf(log)));
    for (const { log } of taking) if (!before.has(log.id)) this.#behind.add(placeKey(placeOf(log)));
    // A copy: those that fail are put back.
    const due = new Set(this.#behind);
    for (const key of due) await this.#offer(key);
    const now = this.#deps.clock.now();
    const isDue = now - this.#straysAt >= straysEveryMicros;
    for (const one of followed) await this.#settle(one, isDue ? now - straysEveryMicros : undefined);
    this.#settledTo = new Map(
      [...this.#settledTo].filter(([id]) => followed.some(({ log }) => log.id === id)),
    );
    if (!isDue) return;
    this.#straysAt = now;
    await this.#deps.uow.write(this.#callOf({ organisation_id: "" }), (tx) => forgetSettled(tx.sql, now));
  }

  /** What waits at a place, once more. One that cannot be read costs no other its events, and is tried again at the next look. */
  async #offer(key: string): Promise<void> {
    this.#behind.delete(key);
    const log = this.#followed.get(key)?.[0]?.log;
    if (!log) return;
    try {
      await this.#deps.offer(this.#callOf(log), placeOf(log));
    } catch (error) {
      this.#behind.add(key);
      this.#deps.log.warn({ log: log.id, error: messageOf(error) }, "features.early.offer_failed");
    }
  }

  async #settle(one: Followed, straysBefore: number | undefined): Promise<void> {
    const { uow, online, log, clock } = this.#deps;
    if (!online.early) return;
    const deps = { uow, online, early: online.early };
    const call = this.#callOf(one.log);
    try {
      const firstHeld = () => this.#firstHeld();
      const from = this.#settledTo.get(one.log.id) ?? 0;
      const settledTo = await settleBatches(deps, call, one, { firstHeld, from, now: clock.now() });
      this.#settledTo.set(one.log.id, settledTo);
      if (straysBefore !== undefined) await dropStrays(deps, call, one, straysBefore);
    } catch (error) {
      log.warn({ log: one.log.id, error: messageOf(error) }, "features.early.settle_failed");
    }
  }

  /** The least number of an event that is not online yet. */
  #firstHeld(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { rows } of this.#held) first = Math.min(first, rows[0]?.accepted ?? first);
    return first;
  }

  /** Resolves once all that was taken is online. */
  async idle(): Promise<void> {
    while (this.#working) await this.#working;
  }

  async #find(): Promise<Followed[]> {
    const { uow, online } = this.#deps;
    const found = await uow.read(this.#callOf({ organisation_id: "" }), earlyLogs);
    const followed: Followed[] = [];
    for (const { log, view: stored } of found) {
      const view = stored.body;
      if (!hasLog(view)) continue;
      const { organisation_id: organisationId, environment } = log;
      const header = onlineHeader({ organisationId, environment, view });
      const position = await online.foldPosition(header);
      if (position?.log !== log.id) continue;
      followed.push({ log, view, header, mayGoOnline: await this.#mayGoOnline(log, stored) });
    }
    return followed;
  }

  async #mayGoOnline(log: StoredLog, view: OnlineUse["view"]): Promise<boolean> {
    const call = this.#callOf(log);
    const use = await onlineUseOf(this.#deps, call, log, view);
    return (await whyNotByItself(this.#deps, call, use)) === undefined;
  }

  async #work(): Promise<void> {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const taken = [next];
      let { bytes } = next.events;
      let rows = next.events.rows.length;
      for (let more = this.#queue[0]; more?.place === next.place; more = this.#queue[0]) {
        bytes += more.events.bytes;
        if (rows >= rowsAtOnce || bytes > mostBytes) break;
        taken.push(more);
        this.#queue.shift();
        rows += more.events.rows.length;
      }
      for (const one of this.#followed.get(next.place) ?? []) await this.#bring(one, next.place, taken);
      for (const { events } of taken) this.#held.delete(events);
      this.#doneBytes += taken.reduce((sum, { events }) => sum + events.bytes, 0);
      for (const resolve of this.#whenRoom.splice(0)) resolve();
    }
  }

  async #bring(
    { log, view, header }: Followed,
    place: string,
    taken: readonly { readonly events: AcceptedEvents }[],
  ): Promise<void> {
    try {
      const lines = taken.flatMap(({ events }) => linesOf(view, events));
      if (lines.length > 0) await this.#deps.online.early?.accept(header, log.id, lines);
    } catch (error) {
      // They come with their batch at the latest, and before that once the writer is there again.
      this.#behind.add(place);
      this.#deps.log.warn({ log: log.id, error: messageOf(error) }, "features.early.failed");
    }
  }

  #callOf({ organisation_id: organisationId }: Pick<StoredLog, "organisation_id">): CallContext {
    return {
      actor: systemActor("features", organisationId as Id<"organisation">),
      requestId: newId("request", this.#deps.clock.now()),
    };
  }
}

function linesOf(view: LogView, { rows, acceptedAt }: AcceptedEvents): EarlyLine[] {
  return rows.flatMap(
    ({ accepted, values }) => earlyLine(view, readableRow(values), { accepted, acceptedAt }) ?? [],
  );
}

/** Where events of a log's source come in. */
export function placeOf(log: StoredLog): AcceptedPlace {
  const { organisation_id: organisationId, source: contract, environment, use_case_id: useCaseId } = log;
  return { organisationId, contract, environment, ...(useCaseId === null ? {} : { useCaseId }) };
}

function placeKey({ organisationId, contract, environment, useCaseId = "" }: AcceptedPlace): string {
  return [organisationId, contract, environment, useCaseId].join(":");
}
