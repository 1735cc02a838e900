import { asEpochMicros as t } from "@portolan/kernel";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OnlineRecord, OnlineStore } from "../../src/contract.ts";
import { historyMicros, type LogRecord } from "../../src/log/log-record.ts";
import { type Answer, aSchedule, naiveAnswers, ttl } from "../log-world.ts";
import { header as anyHeader, type OpenWorld, once, readOne, type StoreWorld } from "./store-world.ts";

const header = { ...anyHeader, ttlMicros: ttl };

const balance = (
  sequence: number,
  more: Partial<LogRecord> & { readonly key?: string } = {},
): OnlineRecord => {
  const { key = "x", ...record } = more;
  const values = [sequence, null];
  return {
    key: [key],
    record: { event: 5, available: 5, sequence, isTombstone: false, values, ...record },
  };
};

/** What every driver of `OnlineStore.fold` holds: docs/spec/features.md F8, F16, F18. */
export function foldSuite(openWorld: OpenWorld): void {
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

  const fold = (
    after: number,
    records: readonly OnlineRecord[],
    more: { log?: string; asOf?: number } = {},
  ) =>
    store.fold(header, {
      log: "flg_a",
      after,
      upTo: Math.max(after, ...records.map(({ record }) => record.sequence)),
      ...more,
      asOf: t(more.asOf ?? 0),
      pages: once(records),
    });
  const valueAt = async (at: number, key = "x") => (await readOne(store, header, [key], at)).values["a"];

  test("what is folded in pages and batches is what the definition says, at every moment that is kept", async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(aSchedule, async (schedule) => {
        round += 1;
        const own = { ...header, view: `v${round}@1`, featureNames: ["a", "b", "c"] };
        const ends = [...new Set([...schedule.restarts, schedule.records.length])].toSorted((a, b) => a - b);
        let after = 0;
        for (const end of ends) {
          const records = schedule.records
            .slice(after, end)
            .map(({ account, ...record }) => ({ key: [account], record }));
          const upTo = Math.max(after, Math.min(end, schedule.records.length));
          const half = records.length / 2;
          const pages = once(records.slice(0, half), records.slice(half));
          await store.fold(own, { log: "flg_a", after, upTo, asOf: t(0), pages });
          after = upTo;
        }
        const answers: Answer[] = [];
        for (const { account, at } of schedule.probes) {
          const { values, status } = await readOne(store, own, [account ?? "nobody"], at);
          answers.push({ status, values: ["a", "b", "c"].map((name) => values[name]?.value ?? null) });
        }
        expect(answers).toEqual(naiveAnswers(schedule));
      }),
      { numRuns: 60 },
    );
  });

  test("what the values of a view take is counted as its time goes on, and nothing that is too old is lost", async () => {
    const day = 86_400_000_000;
    const aged = Array.from({ length: 250 }, (_, index) =>
      balance(index + 1, { key: `k${index}`, event: 5 + index }),
    );
    await fold(0, aged, { asOf: ttl + 5 });
    const before = await store.valueState(header);
    expect(before).toMatchObject({ entities: 250, outsideMaxAge: 0, withdrawn: 0, oldest: 5, at: ttl + 5 });
    expect(before?.bytes).toBeGreaterThanOrEqual(250 * (before?.mostBytes ?? Number.NaN) * 0.5);
    expect(await store.valueState({ ...header, digest: "sha256:other" })).toBeUndefined();
    expect(await store.windowState({ ...header, view: "nobody@1" })).toBeUndefined();
    const late = [
      balance(251, { key: "k0", event: day, available: day }),
      balance(252, { key: "k1", event: day, available: day, isTombstone: true }),
    ];
    await fold(250, late, { asOf: day });
    expect(await store.valueState(header)).toMatchObject({
      at: day,
      entities: 250,
      outsideMaxAge: 248,
      withdrawn: 1,
      oldest: 7,
    });
    const { status, asOf } = await readOne(store, header, ["k2"], day);
    expect([status, asOf]).toEqual(["outside_max_age", 7]);
  });

  test("a moment of which nothing is kept is outside the age, never guessed", async () => {
    await fold(0, [balance(1), balance(2, { event: 9, available: 9 })], { asOf: 0 });
    expect(await valueAt(5)).toEqual({ value: 1, status: "present" });
    await fold(2, [balance(3, { event: 12, available: 12 })], { asOf: historyMicros + 10 });
    // From minute one before the fold on it is exact: at 10 the second record is what was visible.
    expect(await valueAt(10)).toEqual({ value: 2, status: "present" });
    expect(await valueAt(12)).toEqual({ value: 3, status: "present" });
    expect(await valueAt(8)).toEqual({ value: null, status: "outside_max_age" });
    expect((await readOne(store, header, ["nobody"], 8)).status).toBe("not_found");
  });

  test("a tombstone hides what came before, and a late record does not bring it back", async () => {
    await fold(0, [
      balance(1),
      balance(2, { event: 7, available: 7, isTombstone: true, values: [null, null] }),
    ]);
    await fold(2, [balance(3, { event: 6, available: 8 })]);
    expect((await valueAt(6))?.value).toBe(1);
    expect(await readOne(store, header, ["x"], 8)).toEqual({
      status: "not_found",
      values: { a: { value: null, status: "not_found" }, b: { value: null, status: "not_found" } },
    });
    await fold(3, [balance(4, { event: 8, available: 9 })]);
    expect((await valueAt(9))?.value).toBe(4);
  });

  test("records that are missing in between are refused, and the same ones again change nothing", async () => {
    await fold(0, [balance(1)]);
    await expect(fold(5, [balance(6)])).rejects.toMatchObject({ code: "features.fold_gap" });
    await fold(0, [balance(1)]);
    expect(await store.foldPosition(header)).toEqual({ log: "flg_a", sequence: 1, asOf: 0 });
    expect((await valueAt(5))?.value).toBe(1);
  });

  test("another log replaces the view whole, and only once its last page is there", async () => {
    await fold(0, [balance(1), balance(2, { key: "gone" })]);
    async function* slow(): AsyncGenerator<OnlineRecord[]> {
      yield [balance(1, { values: [50, null] })];
      expect((await valueAt(5))?.value).toBe(1);
      expect((await valueAt(5, "gone"))?.value).toBe(2);
      yield await Promise.resolve([balance(2, { key: "new" })]);
    }
    await store.fold(header, { log: "flg_b", after: 0, upTo: 2, asOf: t(0), pages: slow() });
    expect((await valueAt(5))?.value).toBe(50);
    expect((await readOne(store, header, ["gone"], 5)).status).toBe("not_found");
    expect(await store.foldPosition({ ...header, digest: "sha256:01" })).toBeUndefined();
  });

  test("a log of which records were erased is folded anew, and nothing of what was there is kept", async () => {
    await fold(0, [balance(1), balance(2, { key: "gone" }), balance(3)]);
    const gone = { part: 0, parts: 1, value: "gone" };
    expect(await store.countEntities(header, gone)).toBe(1);
    const anew = { log: "flg_a", after: 0, upTo: 3, asOf: t(0), isAnew: true } as const;
    await store.fold(header, { ...anew, pages: once([balance(1)]) });
    expect((await valueAt(5))?.value).toBe(1);
    expect(await store.countEntities(header, gone)).toBe(0);
    expect(await store.foldPosition(header)).toEqual({ log: "flg_a", sequence: 3, asOf: 0 });
    await fold(3, [balance(4)]);
    expect((await valueAt(5))?.value).toBe(4);
  });

  test("a fold that fails in the middle leaves its position, and the next one goes on from there", async () => {
    await fold(0, [balance(1)]);
    async function* broken(): AsyncGenerator<OnlineRecord[]> {
      yield await Promise.resolve([balance(2, { event: 6, available: 6 })]);
      throw new Error("the disk is full");
    }
    const failing = store.fold(header, { log: "flg_a", after: 1, upTo: 3, asOf: t(0), pages: broken() });
    await expect(failing).rejects.toThrow("the disk is full");
    expect((await store.foldPosition(header))?.sequence).toBe(1);
    await fold(1, [balance(2, { event: 6, available: 6 }), balance(3, { event: 7, available: 7 })]);
    expect((await valueAt(7))?.value).toBe(3);
  });
}
