import { asEpochMicros as t } from "@portolan/kernel";
import fc from "fast-check";
import type { EarlyValues, OnlineStore, OnlineViewHeader } from "../../src/contract.ts";
import type { EarlyLine } from "../../src/early/early-line.ts";
import * as earlyLines from "../../src/early/early-line.ts";
import { historyMicros } from "../../src/log/log-record.ts";
import { onlineHeader } from "../../src/online-header.ts";
import type { OnlineRecord } from "../../src/ports.ts";
import type { LogView } from "../../src/view-model.ts";
import { linesOf } from "../event-lines.ts";
import { aReading, eventShape, eventView, long, naiveValues, type Reading } from "../event-world.ts";
import { aSchedule, naiveAnswers, type Schedule, type Scheduled, valueView } from "../log-world.ts";
import { once, place, readOne, type StoreWorld } from "./store-world.ts";

/** Batches of accepted events through their lives, in a store with early values, beside what docs/spec/features.md F53 to F56 says of each moment. */

export const log = "flg_a";

/**
 * Whether a batch's events come one by one or as a table, what becomes of it, how many later ones are accepted before it does, and how far the moments that
 * are answered move on with it.
 */
const aFate = fc.record({
  isEarly: fc.constantFrom(true, true, false),
  isPublished: fc.constantFrom(true, true, true, false),
  after: fc.constantFrom(0, 1, 2),
  isRestarted: fc.boolean(),
  step: fc.constantFrom(0, 0, 8, 40),
});
type Fate = typeof aFate extends fc.Arbitrary<infer T> ? T : never;
const fates = fc.array(aFate, { minLength: 5, maxLength: 5 });

/** What makes a row an early line; another module than the one of the sources where a fault is in it. */
export type LineMaker = Pick<typeof earlyLines, "earlyLine">;

interface Life<Row> {
  readonly header: OnlineViewHeader;
  readonly batches: readonly (readonly Row[])[];
  readonly fates: readonly Fate[];
  /** Moments from this one on are answered before the first batch. */
  readonly exactFrom: number;
  readonly line: (row: Row, accepted: number) => EarlyLine | undefined;
  /** The log's lines of the last one of these batches. */
  readonly logged: (published: readonly (readonly Row[])[]) => readonly OnlineRecord[];
  /** What the store answers at the probes from a moment on. */
  readonly answers: (store: OnlineStore, from: number) => Promise<readonly unknown[]>;
  /** What the definition says: of the published batches in their order, then of those that are under way. */
  readonly expected: (known: readonly (readonly Row[])[], from: number) => readonly unknown[];
}

/** Told after every step. */
export type See = (answers: readonly unknown[], expected: readonly unknown[]) => void;

export function earlyOf(store: OnlineStore): EarlyValues {
  if (!store.early) throw new Error("it has no early values");
  return store.early;
}

/** Numbers of the events of a batch. */
function numbersOf(batch: number): readonly [number, number] {
  return [batch * 1000 + 1, batch * 1000 + 999];
}

/** Lives through all batches: accepted early, then folded or refused, then settled; a writer that is restarted in between. */
class Living<Row> {
  readonly #world: StoreWorld;
  readonly #life: Life<Row>;
  readonly #see: See;
  #store: OnlineStore;
  readonly #published: (readonly Row[])[] = [];
  #waiting: number[] = [];
  #sequence = 0;
  #exactFrom: number;

  constructor(world: StoreWorld, life: Life<Row>, see: See) {
    this.#world = world;
    this.#life = life;
    this.#see = see;
    this.#store = world.openWriter();
    this.#exactFrom = life.exactFrom;
  }

  async run(): Promise<void> {
    const { batches, fates: chosen } = this.#life;
    await this.#fold(0);
    for (const batch of batches.keys()) {
      await this.#accept(batch);
      if (chosen[batch]?.isRestarted) {
        await this.#store.close();
        this.#store = this.#world.openWriter();
        // A reader waits for no connection.
        await this.#store.foldPosition(this.#life.header);
      }
      const isDue = (one: number | undefined) =>
        one !== undefined && one + (chosen[one]?.after ?? 0) <= batch;
      while (isDue(this.#waiting[0])) await this.#end(this.#waiting[0] ?? 0);
    }
    for (const batch of this.#waiting) await this.#end(batch);
    this.#see(await earlyOf(this.#store).waiting(this.#life.header), []);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #accept(batch: number): Promise<void> {
    const { batches, line, header } = this.#life;
    this.#waiting.push(batch);
    if (!this.#life.fates[batch]?.isEarly) return;
    const [first] = numbersOf(batch);
    const lines = (batches[batch] ?? []).flatMap((row, index) => line(row, first + index) ?? []);
    await earlyOf(this.#store).accept(header, log, lines);
    await earlyOf(this.#store).accept(header, log, lines.slice(0, 3));
    await this.#check();
  }

  async #end(batch: number): Promise<void> {
    const fate = this.#life.fates[batch];
    this.#waiting = this.#waiting.filter((one) => one !== batch);
    if (fate?.isPublished) {
      this.#published.push(this.#life.batches[batch] ?? []);
      await this.#fold(fate.step, this.#life.logged(this.#published));
      // Its events are there twice for a while, and count once.
      await this.#check();
    }
    await earlyOf(this.#store).settle(this.#life.header, [numbersOf(batch)]);
    await this.#check();
  }

  async #fold(step: number, records: readonly OnlineRecord[] = []): Promise<void> {
    const after = this.#sequence;
    this.#sequence = Math.max(after, ...records.map(({ record }) => record.sequence));
    this.#exactFrom += step;
    await this.#store.fold(this.#life.header, {
      log,
      after,
      upTo: this.#sequence,
      asOf: t(this.#exactFrom + historyMicros),
      pages: once(records.slice(0, records.length / 2), records.slice(records.length / 2)),
    });
  }

  async #check(): Promise<void> {
    const { batches, fates: chosen, answers, expected } = this.#life;
    const early = this.#waiting.filter((batch) => chosen[batch]?.isEarly);
    const known = [...this.#published, ...early.map((batch) => batches[batch] ?? [])];
    this.#see(await answers(this.#store, this.#exactFrom), expected(known, this.#exactFrom));
  }
}

export async function live<Row>(world: StoreWorld, life: Life<Row>, see: See): Promise<void> {
  const living = new Living(world, life, see);
  try {
    await living.run();
  } finally {
    await living.close();
  }
}

export interface ValuesDay {
  readonly schedule: Schedule;
  readonly fates: readonly Fate[];
}
export const aValuesDay: fc.Arbitrary<ValuesDay> = fc.record({ schedule: aSchedule, fates });

/** @param name of the view: a store may hold many days */
export function valuesLife(
  name: string,
  { schedule: { records, probes }, fates: chosen }: ValuesDay,
  { earlyLine }: LineMaker = earlyLines,
): Life<Scheduled> {
  const view = valueView();
  const header = { ...earlyHeader(view), view: name };
  const size = Math.ceil(records.length / 5);
  return {
    header,
    batches: [0, 1, 2, 3, 4].map((batch) => records.slice(batch * size, (batch + 1) * size)),
    exactFrom: -1,
    fates: chosen,
    line: (record, accepted) => earlyLine(view, rowOfRecord(record), { accepted, acceptedAt: 1 }),
    logged: (published) => {
      const before = published.slice(0, -1).flat().length;
      return (published.at(-1) ?? []).map(({ account, ...record }, index) => ({
        key: [account],
        record: { ...record, sequence: before + index + 1 },
      }));
    },
    answers: (store, from) =>
      Promise.all(
        probes
          .filter(({ at }) => at >= from)
          .map(async ({ account, at }) => {
            const { status, values } = await readOne(store, header, [account ?? "nobody"], at);
            return {
              status,
              values: ["balance", "rating", "carrier"].map((of) => values[of]?.value ?? null),
            };
          }),
      ),
    expected: (known, from) =>
      naiveAnswers({
        records: known.flat().map((record, index) => ({ ...record, sequence: index + 1 })),
        probes: probes.filter(({ at }) => at >= from),
        restarts: [],
      }),
  };
}

export interface WindowsDay {
  readonly batches: readonly (readonly Reading[])[];
  readonly probes: readonly { readonly station: string; readonly at: number }[];
  readonly fates: readonly Fate[];
  /** Moments from this one on are answered before the first batch. */
  readonly exactFrom: number;
}
export const aWindowsDay: fc.Arbitrary<WindowsDay> = fc
  .record({
    batches: fc.array(fc.array(aReading, { minLength: 60, maxLength: 90 }), { minLength: 5, maxLength: 5 }),
    ids: fc.infiniteStream(fc.nat(150)),
    // Few events that are corrected again and again, or many that settle in their tiles before they are.
    isSparse: fc.boolean(),
    probes: fc.array(
      fc.record({ station: fc.constantFrom("a", "b", "nobody"), at: fc.integer({ min: 0, max: 200 }) }),
      { minLength: 24, maxLength: 24 },
    ),
    fates,
  })
  .map(({ batches, ids, isSparse, ...day }) => ({
    ...day,
    exactFrom: isSparse ? long : 0,
    batches: batches.map((rows) =>
      isSparse ? rows.map((row) => sparse(row, ids.next().value ?? 0)) : rows.slice(0, rows.length / 2),
    ),
  }));

/** Of one station, as long as there are enough to settle. */
function sparse(row: Reading, id: number): Reading {
  return { ...row, id: String(id), station: id % 3 === 0 ? row.station : "a" };
}

export function windowsLife(
  name: string,
  { batches, probes, fates: chosen, exactFrom }: WindowsDay,
  { earlyLine }: LineMaker = earlyLines,
): Life<Reading> {
  const view = eventView();
  const header = { ...earlyHeader(view), view: name, windows: eventShape(view) };
  return {
    header,
    batches,
    exactFrom,
    fates: chosen,
    line: (row, accepted) => earlyLine(view, rowOfReading(row), { accepted, acceptedAt: 1 }),
    logged: (published) => loggedReadings(published),
    answers: (store, from) =>
      Promise.all(
        probes
          .filter(({ at }) => at >= from)
          .map(async ({ station, at }) => {
            const { values } = await readOne(store, header, [station], at);
            return header.featureNames.map((of) => values[of]?.value);
          }),
      ),
    expected: (known, from) => naiveValues({ batches: known, probes: probes.filter(({ at }) => at >= from) }),
  };
}

/** The log's lines of the last of these batches. */
export function loggedReadings(published: readonly (readonly Reading[])[]): readonly OnlineRecord[] {
  const lines = linesOf(published, true).at(-1) ?? [];
  return lines.map(({ station, record, id }) => ({ key: [station], record, id }));
}

export function earlyHeader(view: LogView): OnlineViewHeader {
  return { ...onlineHeader({ ...place, view: { ...view, online: "accepted" } }), ttlMicros: view.ttlMicros };
}

export function rowOfRecord({
  account,
  event,
  available,
  isTombstone,
  values: [balance, rating, carrier],
}: Scheduled) {
  return {
    account,
    ts: BigInt(event),
    known: BigInt(available),
    gone: isTombstone,
    balance: typeof balance === "number" ? BigInt(balance) : null,
    rating: rating ?? null,
    carrier: carrier ?? null,
  };
}

export function rowOfReading({ ts, known, ...row }: Reading) {
  return { ...row, ts: BigInt(ts), known: BigInt(known) };
}
