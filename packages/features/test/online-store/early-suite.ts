import { type EpochMicros, asEpochMicros as t } from "@portolan/kernel";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EarlyValues, OnlineStore, OnlineViewHeader } from "../../src/contract.ts";
import { type EarlyLine, earlyLine } from "../../src/early/early-line.ts";
import { historyMicros } from "../../src/log/log-record.ts";
import { onlineHeader } from "../../src/online-header.ts";
import type { OnlineRecord } from "../../src/ports.ts";
import type { LogView } from "../../src/view-model.ts";
import { linesOf } from "../event-lines.ts";
import { aReading, eventView, naiveValues, type Reading } from "../event-world.ts";
import { aSchedule, naiveAnswers, type Scheduled, valueView } from "../log-world.ts";
import { type OpenWorld, once, place, readOne, type StoreWorld } from "./store-world.ts";

const log = "flg_a";

/** What becomes of a batch, and how many later ones are accepted before it does. */
const aFate = fc.record({
  isPublished: fc.constantFrom(true, true, true, false),
  after: fc.constantFrom(0, 0, 1, 2),
  isRestarted: fc.boolean(),
});
const fates = fc.array(aFate, { minLength: 5, maxLength: 5 });

/** A batch through its life: accepted early, then folded or refused, then settled. */
interface Life<Row> {
  readonly view: LogView;
  readonly header: OnlineViewHeader;
  readonly batches: readonly (readonly Row[])[];
  readonly asOf: EpochMicros;
  readonly fates: readonly { isPublished: boolean; after: number; isRestarted: boolean }[];
  readonly line: (row: Row, accepted: number) => EarlyLine | undefined;
  /** The log's lines of the last one of these batches. */
  readonly logged: (published: readonly (readonly Row[])[]) => readonly OnlineRecord[];
  /** Compares with the definition: published batches in their order, then those that are under way. */
  readonly check: (known: readonly (readonly Row[])[]) => Promise<void>;
}

/** What every driver with early values holds of them: docs/spec/features.md F53 to F56. */
export function earlySuite(openWorld: OpenWorld): void {
  let world: StoreWorld;
  let store: OnlineStore;
  beforeEach(async () => {
    world = await openWorld();
    store = world.openWriter();
  });
  afterEach(async () => {
    await store.close();
    await world[Symbol.asyncDispose]();
  });
  const early = (): EarlyValues => {
    if (!store.early) throw new Error("it has no early values");
    return store.early;
  };

  async function live<Row>(of: Life<Row>): Promise<void> {
    const { header, batches, line, logged, check } = of;
    const published: (readonly Row[])[] = [];
    let waiting: number[] = [];
    let sequence = 0;
    await store.fold(header, { log, after: 0, upTo: 0, asOf: of.asOf, pages: once() });
    const numbers = (batch: number): [number, number] => [batch * 1000 + 1, batch * 1000 + 999];
    const known = () => [...published, ...waiting.map((batch) => batches[batch] ?? [])];
    const end = async (batch: number): Promise<void> => {
      const fate = of.fates[batch];
      if (fate?.isPublished) {
        published.push(batches[batch] ?? []);
        const records = logged(published);
        const upTo = Math.max(sequence, ...records.map(({ record }) => record.sequence));
        const pages = once(records.slice(0, records.length / 2), records.slice(records.length / 2));
        await store.fold(header, { log, after: sequence, upTo, asOf: of.asOf, pages });
        sequence = upTo;
        // Its events are there twice for a while, and count once.
        waiting = waiting.filter((one) => one !== batch);
        await check(known());
      }
      waiting = waiting.filter((one) => one !== batch);
      await early().settle(header, [numbers(batch)]);
      await check(known());
    };
    for (const [batch, rows] of batches.entries()) {
      const lines = rows.flatMap((row, index) => line(row, batch * 1000 + 1 + index) ?? []);
      await early().accept(header, log, lines);
      await early().accept(header, log, lines.slice(0, 3));
      waiting.push(batch);
      await check(known());
      if (of.fates[batch]?.isRestarted) {
        await store.close();
        store = world.openWriter();
      }
      while (waiting[0] !== undefined && waiting[0] + (of.fates[waiting[0]]?.after ?? 0) <= batch)
        await end(waiting[0]);
    }
    for (const batch of waiting) await end(batch);
    expect(await early().waiting(header)).toEqual([]);
  }

  /** What the store would be had nothing ever been early. */
  async function withoutEarly(header: OnlineViewHeader): Promise<readonly string[]> {
    return (await world.dump()).filter((entry) => entry.includes(`"${header.view}"`));
  }

  test("values of accepted events are those of a log that has them already, until their batch is folded or refused", async () => {
    const view = valueView();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(aSchedule, fates, async ({ records, probes }, chosen) => {
        round += 1;
        const header = { ...headerOf(view), view: `v${round}@1` };
        const size = Math.ceil(records.length / 5);
        const batches = [0, 1, 2, 3, 4].map((batch) => records.slice(batch * size, (batch + 1) * size));
        await live<Scheduled>({
          view,
          header,
          batches,
          // Every moment is kept.
          asOf: t(0),
          fates: chosen,
          line: (record, accepted) => earlyLine(view, rowOfRecord(record), { accepted, acceptedAt: 1 }),
          logged: (published) => {
            const before = published.slice(0, -1).flat().length;
            return (published.at(-1) ?? []).map(({ account, ...record }, index) => ({
              key: [account],
              record: { ...record, sequence: before + index + 1 },
            }));
          },
          check: async (known) => {
            const renumbered = known.flat().map((record, index) => ({ ...record, sequence: index + 1 }));
            const expected = naiveAnswers({ records: renumbered, probes, restarts: [] });
            for (const [index, { account, at }] of probes.entries()) {
              const { status, values } = await readOne(store, header, [account ?? "nobody"], at);
              const answer = {
                status,
                values: ["balance", "rating"].map((name) => values[name]?.value ?? null),
              };
              expect(answer).toEqual(expected[index]);
            }
          },
        });
      }),
      { numRuns: 25 },
    );
  });

  test("windows over accepted events count each event once, in the version that is known, wherever it moves", async () => {
    const view = eventView();
    let round = 0;
    const aDay = fc.record({
      batches: fc.array(fc.array(aReading, { minLength: 20, maxLength: 60 }), { minLength: 5, maxLength: 5 }),
      probes: fc.array(
        fc.record({ station: fc.constantFrom("a", "b", "nobody"), at: fc.integer({ min: 0, max: 200 }) }),
        { minLength: 8, maxLength: 8 },
      ),
      fates,
    });
    await fc.assert(
      fc.asyncProperty(aDay, async ({ batches, probes, fates: chosen }) => {
        round += 1;
        const header = { ...headerOf({ ...view, online: "accepted" }), view: `w${round}@1` };
        await live<Reading>({
          view,
          header,
          batches,
          asOf: t(historyMicros),
          fates: chosen,
          line: (row, accepted) => earlyLine(view, rowOfReading(row), { accepted, acceptedAt: 1 }),
          logged: (published) =>
            (linesOf(published, true).at(-1) ?? []).map(({ station, record, id }) => ({
              key: [station],
              record,
              id,
            })),
          check: async (known) => {
            const expected = naiveValues({ batches: known, probes });
            for (const [index, { station, at }] of probes.entries()) {
              const { values } = await readOne(store, header, [station], at);
              expect(header.featureNames.map((name) => values[name]?.value)).toEqual(expected[index]);
            }
          },
        });
      }),
      { numRuns: 12 },
    );
  });

  test("what was early leaves no trace: the store is bit for bit that of one where nothing ever was", async () => {
    const view = eventView();
    const header = headerOf(view);
    const rows = fc.sample(aReading, { numRuns: 120, seed: 7 });
    const pagesOf = (batches: (readonly Reading[])[]) =>
      (linesOf(batches, true).at(-1) ?? []).map(({ station, record, id }) => ({
        key: [station],
        record,
        id,
      }));
    const run = async (isEarly: boolean): Promise<readonly string[]> => {
      const batches = [rows.slice(0, 60), rows.slice(60)];
      await store.fold(header, { log, after: 0, upTo: 0, asOf: t(historyMicros), pages: once() });
      let after = 0;
      for (const [index] of batches.entries()) {
        const own = batches[index] ?? [];
        const lines = own.flatMap((row, at) => line(row, index * 100 + at + 1) ?? []);
        if (isEarly) await early().accept(header, log, lines);
        const page = pagesOf(batches.slice(0, index + 1));
        const upTo = Math.max(after, ...page.map(({ record }) => record.sequence));
        await store.fold(header, { log, after, upTo, asOf: t(historyMicros), pages: once(page) });
        after = upTo;
        if (isEarly) await early().settle(header, [[1, 1000]]);
      }
      return withoutEarly(header);
    };
    const line = (row: Reading, accepted: number) =>
      earlyLine(view, rowOfReading(row), { accepted, acceptedAt: 1 });
    const left = await run(true);
    await store.close();
    await world[Symbol.asyncDispose]();
    world = await openWorld();
    store = world.openWriter();
    expect(left).toEqual(await run(false));
    expect(left.length).toBeGreaterThan(10);
  });

  test("a view that is not online, or of another log or definition, takes nothing in; an erased entity is gone from both", async () => {
    const view = valueView();
    const header = headerOf(view);
    const line = (account: string, accepted: number): EarlyLine => ({
      accepted,
      acceptedAt: 5,
      key: [account],
      event: 3,
      available: 3,
      isTombstone: false,
      values: [accepted, null],
    });
    await early().accept(header, log, [line("a", 1)]);
    await store.fold(header, { log, after: 0, upTo: 0, asOf: t(historyMicros), pages: once() });
    await early().accept(header, "flg_b", [line("a", 2)]);
    await early().accept({ ...header, digest: "sha256:01" }, log, [line("a", 3)]);
    expect((await readOne(store, header, ["a"], 5)).status).toBe("not_found");
    await early().accept(header, log, [line("a", 4), line("b", 5)]);
    expect(await early().waiting(header)).toEqual([
      { accepted: 4, acceptedAt: 5 },
      { accepted: 5, acceptedAt: 5 },
    ]);
    expect((await readOne(store, header, ["a"], 5)).values["balance"]?.value).toBe(4);
    await store.forgetEntities(header, { part: 0, parts: 1, value: "a" });
    expect((await readOne(store, header, ["a"], 5)).status).toBe("not_found");
    expect((await readOne(store, header, ["b"], 5)).values["balance"]?.value).toBe(5);
    expect((await world.dump()).filter((entry) => entry.includes('"=a"'))).toEqual([]);
    expect(await early().settle(header, [[1, 4]])).toBe(0);
    expect(await early().settle(header, [[5, 5]])).toBe(1);
  });
}

function headerOf(view: LogView): OnlineViewHeader {
  return { ...onlineHeader({ ...place, view: { ...view, online: "accepted" } }), ttlMicros: view.ttlMicros };
}

function rowOfRecord({ account, event, available, isTombstone, values: [balance, rating] }: Scheduled) {
  return {
    account,
    ts: BigInt(event),
    known: BigInt(available),
    gone: isTombstone,
    balance: balance === null || balance === undefined ? null : BigInt(balance),
    rating: rating ?? null,
  };
}

function rowOfReading({ ts, known, ...row }: Reading) {
  return { ...row, ts: BigInt(ts), known: BigInt(known) };
}
