import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { OnlineRecord, OnlineStore } from "@portolan/features/contract";
import { historyMicros, type LogRecord } from "@portolan/features/log-record";
import { asEpochMicros } from "@portolan/kernel";
import fc from "fast-check";
import { open } from "lmdb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aSchedule, naiveAnswers, ttl } from "../../features/test/log-world.ts";
import { openOnlineStore } from "../src/index.ts";
import { foldAll, foldHeader, folds, recordOf } from "./fold-child.ts";

/** The conformance suite of `OnlineStore.fold`: docs/spec/features.md F8, F16, F18. */

let folder: string;
let store: OnlineStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-fold-"));
  store = openOnlineStore({ folder });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const t = asEpochMicros;
const header = { ...foldHeader, ttlMicros: ttl };
async function* once<T>(...pages: T[]): AsyncGenerator<T> {
  for (const page of pages) yield await Promise.resolve(page);
}
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
const fold = (after: number, records: readonly OnlineRecord[], more: { log?: string; asOf?: number } = {}) =>
  store.fold(header, {
    log: "flg_a",
    after,
    upTo: Math.max(after, ...records.map(({ record }) => record.sequence)),
    ...more,
    asOf: t(more.asOf ?? 0),
    pages: once(records),
  });
const valueAt = (at: number, key = "x") => store.get(header, [key], t(at)).values["a"];

test("what is folded in pages and batches is what the definition says, at every moment that is kept", async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(aSchedule, async (schedule) => {
      round += 1;
      const own = { ...header, view: `v${round}@1` };
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
      const answers = schedule.probes.map(({ account, at }) => {
        const { values, status } = store.get(own, [account ?? "nobody"], t(at));
        return { status, values: ["a", "b"].map((name) => values[name]?.value ?? null) };
      });
      expect(answers).toEqual(naiveAnswers(schedule));
    }),
    { numRuns: 60 },
  );
});

test("a moment of which nothing is kept is outside the age, never guessed", async () => {
  await fold(0, [balance(1), balance(2, { event: 9, available: 9 })], { asOf: 0 });
  expect(valueAt(5)).toEqual({ value: 1, status: "present" });
  await fold(2, [balance(3, { event: 12, available: 12 })], { asOf: historyMicros + 10 });
  // From minute one before the fold on it is exact: at 10 the second record is what was visible.
  expect(valueAt(10)).toEqual({ value: 2, status: "present" });
  expect(valueAt(12)).toEqual({ value: 3, status: "present" });
  expect(valueAt(8)).toEqual({ value: null, status: "outside_max_age" });
  expect(store.get(header, ["nobody"], t(8)).status).toBe("not_found");
});

test("a tombstone hides what came before, and a late record does not bring it back", async () => {
  await fold(0, [
    balance(1),
    balance(2, { event: 7, available: 7, isTombstone: true, values: [null, null] }),
  ]);
  await fold(2, [balance(3, { event: 6, available: 8 })]);
  expect(valueAt(6)?.value).toBe(1);
  expect(store.get(header, ["x"], t(8))).toEqual({
    status: "not_found",
    values: { a: { value: null, status: "not_found" }, b: { value: null, status: "not_found" } },
  });
  await fold(3, [balance(4, { event: 8, available: 9 })]);
  expect(valueAt(9)?.value).toBe(4);
});

test("records that are missing in between are refused, and the same ones again change nothing", async () => {
  await fold(0, [balance(1)]);
  await expect(fold(5, [balance(6)])).rejects.toMatchObject({ code: "features.fold_gap" });
  await fold(0, [balance(1)]);
  expect(store.foldPosition(header)).toEqual({ log: "flg_a", sequence: 1, asOf: 0 });
  expect(valueAt(5)?.value).toBe(1);
});

test("another log replaces the view whole, and only once its last page is there", async () => {
  await fold(0, [balance(1), balance(2, { key: "gone" })]);
  async function* slow(): AsyncGenerator<OnlineRecord[]> {
    yield [balance(1, { values: [50, null] })];
    expect(valueAt(5)?.value).toBe(1);
    expect(valueAt(5, "gone")?.value).toBe(2);
    yield await Promise.resolve([balance(2, { key: "new" })]);
  }
  await store.fold(header, { log: "flg_b", after: 0, upTo: 2, asOf: t(0), pages: slow() });
  expect(valueAt(5)?.value).toBe(50);
  expect(store.get(header, ["gone"], t(5)).status).toBe("not_found");
  expect(store.foldPosition({ ...header, digest: "sha256:01" })).toBeUndefined();
});

test("a fold that fails in the middle leaves its position, and the next one goes on from there", async () => {
  await fold(0, [balance(1)]);
  async function* broken(): AsyncGenerator<OnlineRecord[]> {
    yield await Promise.resolve([balance(2, { event: 6, available: 6 })]);
    throw new Error("the disk is full");
  }
  const failing = store.fold(header, { log: "flg_a", after: 1, upTo: 3, asOf: t(0), pages: broken() });
  await expect(failing).rejects.toThrow("the disk is full");
  expect(store.foldPosition(header)?.sequence).toBe(1);
  await fold(1, [balance(2, { event: 6, available: 6 }), balance(3, { event: 7, available: 7 })]);
  expect(valueAt(7)?.value).toBe(3);
});

const program = fileURLToPath(new URL("./fold-child.ts", import.meta.url));

test("a writer killed with kill -9 again and again leaves, bit for bit, the store of one that was not", async () => {
  await store.close();
  const undisturbed = join(folder, "undisturbed");
  await foldAll(undisturbed, () => Promise.resolve());
  const killed = join(folder, "killed");
  let kills = 0;
  for (let done = false; !done; ) {
    const writer = spawn(process.execPath, [program, killed], { stdio: ["pipe", "pipe", "inherit"] });
    const gone = new Promise((resolve) => writer.once("exit", resolve));
    let folded = 0;
    for await (const line of createInterface({ input: writer.stdout })) {
      if (line === "done") done = true;
      if (line !== "folded") continue;
      folded += 1;
      // It waits after each fold: it is killed in the middle of the eighth, whose pages are written one by one, or right after it.
      if (folded <= 7) writer.stdin.write("on\n");
      if (folded === 7) setTimeout(() => writer.kill("SIGKILL"), Math.random() * 4);
    }
    await gone;
    if (!done) kills += 1;
  }
  expect(kills).toBe(5);
  const dumps = await Promise.all([undisturbed, killed].map(dump));
  expect(dumps[1]).toEqual(dumps[0]);
  expect(dumps[0]?.length).toBe(38);
  store = openOnlineStore({ folder: killed, readOnly: true });
  const last = folds * 120;
  expect(store.foldPosition(foldHeader)).toMatchObject({ sequence: last, asOf: last * 200_000 });
  const { key } = recordOf(last);
  expect(store.get(foldHeader, key, t(2 ** 40)).status).not.toBe("outside_max_age");
});

async function dump(of: string): Promise<string[]> {
  const raw = open({ path: join(of, "online.lmdb"), readOnly: true, encoding: "binary" });
  const entries = [...raw.getRange()].map(
    ({ key, value }) => `${JSON.stringify(key)} ${(value as Buffer).toString("hex")}`,
  );
  await raw.close();
  return entries;
}
