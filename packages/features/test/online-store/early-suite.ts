import { asEpochMicros as t } from "@portolan/kernel";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EarlyValues, OnlineStore, OnlineViewHeader } from "../../src/contract.ts";
import { type EarlyLine, earlyLine } from "../../src/early/early-line.ts";
import { historyMicros } from "../../src/log/log-record.ts";
import { aReading, eventView, type Reading } from "../event-world.ts";
import { valueView } from "../log-world.ts";
import {
  aValuesDay,
  aWindowsDay,
  earlyOf,
  earlyHeader as headerOf,
  live,
  log,
  loggedReadings,
  rowOfReading,
  type See,
  valuesLife,
  windowsLife,
} from "./early-world.ts";
import { type OpenWorld, once, readOne, type StoreWorld } from "./store-world.ts";

const agree: See = (answers, expected) => expect(answers).toEqual(expected);

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
  const early = (): EarlyValues => earlyOf(store);

  /** What the store would be had nothing ever been early. */
  async function withoutEarly(header: OnlineViewHeader): Promise<readonly string[]> {
    return (await world.dump()).filter((entry) => entry.includes(header.view));
  }

  test("values of accepted events are those of a log that has them already, until their batch is folded or refused", async () => {
    await store.close();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(aValuesDay, (day) => live(world, valuesLife(`v${(round += 1)}@1`, day), agree)),
      { numRuns: 25 },
    );
    store = world.openWriter();
  });

  test("windows over accepted events count each event once, in the version that is known, wherever it moves", async () => {
    await store.close();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(aWindowsDay, (day) => live(world, windowsLife(`w${(round += 1)}@1`, day), agree)),
      { numRuns: 12 },
    );
    store = world.openWriter();
  });

  test("what was early leaves no trace: the store is bit for bit that of one where nothing ever was", async () => {
    const view = eventView();
    const header = headerOf(view);
    const rows = fc.sample(aReading, { numRuns: 120, seed: 7 });
    const run = async (isEarly: boolean): Promise<readonly string[]> => {
      const batches = [rows.slice(0, 60), rows.slice(60)];
      await store.fold(header, { log, after: 0, upTo: 0, asOf: t(historyMicros), pages: once() });
      let after = 0;
      for (const [index] of batches.entries()) {
        const own = batches[index] ?? [];
        const lines = own.flatMap((row, at) => line(row, index * 100 + at + 1) ?? []);
        if (isEarly) await early().accept(header, log, lines);
        const page = loggedReadings(batches.slice(0, index + 1));
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
      values: [accepted, null, null],
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

  test("events are accepted and settled while a fold is under way, and neither refuses the other", async () => {
    const view = eventView();
    const header = headerOf(view);
    const logged = loggedReadings([fc.sample(aReading, { numRuns: 300, seed: 5 })]);
    const upTo = Math.max(...logged.map(({ record }) => record.sequence));
    const pages = Array.from({ length: 30 }, (_, at) =>
      logged.slice((at * logged.length) / 30, ((at + 1) * logged.length) / 30),
    );
    const asOf = t(historyMicros);
    const lines = fc
      .sample(aReading, { numRuns: 300, seed: 6 })
      .flatMap((row, at) => earlyLine(view, rowOfReading(row), { accepted: at + 1, acceptedAt: 1 }) ?? []);
    const folded = async (isMixed: boolean): Promise<readonly string[]> => {
      await store.fold(header, { log, after: 0, upTo: 0, asOf, pages: once() });
      const fold = () => store.fold(header, { log, after: 0, upTo, asOf, pages: once(...pages) });
      const accept = async () => {
        for (let at = 0; at < lines.length; at += 10)
          await early().accept(header, log, lines.slice(at, at + 10));
        expect(await early().waiting(header)).toHaveLength(lines.length);
        expect(await early().settle(header, [[1, 1000]])).toBe(lines.length);
      };
      await (isMixed ? Promise.all([fold(), accept()]) : fold());
      return withoutEarly(header);
    };
    const mixed = await folded(true);
    await store.close();
    await world[Symbol.asyncDispose]();
    world = await openWorld();
    store = world.openWriter();
    expect(mixed).toEqual(await folded(false));
  });
}
