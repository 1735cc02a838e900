import { asEpochMicros as t } from "@portolan/kernel";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OnlineStore, OnlineViewHeader } from "../../src/contract.ts";
import { windowShape } from "../../src/events/window-shape.ts";
import { historyMicros } from "../../src/log/log-record.ts";
import { linesOf } from "../event-lines.ts";
import { aReading, eventView, naiveValues } from "../event-world.ts";
import { type OpenWorld, once, place, readOne, type StoreWorld } from "./store-world.ts";

const view = eventView();
const header: OnlineViewHeader = {
  ...place,
  view: "w@1",
  digest: "sha256:00",
  ttlMicros: 2 ** 40,
  featureNames: view.features.map(({ name }) => name),
  windows: windowShape(view),
};

const aStream = fc.record({
  batches: fc.array(fc.array(aReading, { minLength: 60, maxLength: 90 }), { minLength: 4, maxLength: 4 }),
  probes: fc.array(
    fc.record({ station: fc.constantFrom("a", "b", "nobody"), at: fc.integer({ min: 60, max: 250 }) }),
    { minLength: 15, maxLength: 15 },
  ),
});

/** What every driver of the port `OnlineStore` holds of windows over a log: docs/spec/features.md F33 to F36. */
export function windowsSuite(openWorld: OpenWorld): void {
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

  test("windows are what the definition says after each fold, whatever is late, corrected, withdrawn or folded twice", async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(aStream, async ({ batches, probes }) => {
        round += 1;
        const own = { ...header, view: `w${round}@1` };
        let after = 0;
        for (const [index, lines] of linesOf(batches).entries()) {
          const records = lines.map(({ station, record }) => ({ key: [station], record }));
          const upTo = Math.max(after, ...records.map(({ record }) => record.sequence));
          // So that settled events lie in tiles, and moments from 20 on are exact.
          const asOf = t(historyMicros + 20 * index);
          const half = records.length / 2;
          for (const from of [after, Math.min(after, 3)]) {
            const pages = once(records.slice(0, half), records.slice(half));
            await store.fold(own, { log: "flg_a", after: from, upTo, asOf, pages });
          }
          after = upTo;
          const asked = probes.filter(({ at }) => at >= 20 * index);
          const expected = naiveValues({ batches, probes: asked }, index + 1);
          const answers = await store.read(
            asked.map(({ station }) => ({ view: own, key: [station] })),
            t(historyMicros),
          );
          expect(answers).toHaveLength(asked.length);
          for (const [at, probe] of asked.entries()) {
            const { values, status } = await readOne(store, own, [probe.station], probe.at);
            expect(status).toBe("found");
            expect(own.featureNames.map((name) => values[name]?.value)).toEqual(expected[at]);
          }
        }
        const state = await store.windowState(own);
        expect(state?.entities).toBeGreaterThan(0);
      }),
      { numRuns: 12 },
    );
  });

  test("what no window reaches any more goes, and what is left is counted", async () => {
    const longest = header.windows?.longestMicros ?? 0;
    const line = (sequence: number, event: number, station: string) => ({
      key: [station],
      record: { event, available: event, sequence, values: [null, 1, null, null] },
    });
    const early = Array.from({ length: 250 }, (_, index) => line(index + 1, 5, `s${index}`));
    await store.fold(header, { log: "flg_a", after: 0, upTo: 250, asOf: t(10), pages: once(early) });
    expect(await store.windowState(header)).toMatchObject({ entities: 250, events: 250 });
    expect(await store.windowState({ ...header, digest: "sha256:01" })).toBeUndefined();
    // One of them is erased, with all of its rows.
    const named = { part: 0, parts: 1, value: "s9" };
    expect(await store.countEntities(header, named)).toBe(1);
    expect(await store.forgetEntities(header, named)).toBe(1);
    expect(await store.countEntities(header, named)).toBe(0);
    expect((await world.dump()).filter((entry) => entry.includes('=s9"'))).toEqual([]);
    const asOf = t(2 * historyMicros + longest);
    const late = [line(251, asOf, "s7")];
    await store.fold(header, { log: "flg_a", after: 250, upTo: 251, asOf, pages: once(late) });
    expect(await store.windowState(header)).toMatchObject({ entities: 1, events: 1 });
    const kept = (await world.dump()).filter((entry) => entry.includes("=s"));
    expect(kept.length).toBeLessThanOrEqual(2);
  });
}
