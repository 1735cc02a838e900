import { createHash } from "node:crypto";
import { join } from "node:path";
import { asEpochMicros } from "@portolan/kernel";
import { open } from "lmdb";
import { describe, expect, test } from "vitest";
import { earlySuite } from "../../features/test/online-store/early-suite.ts";
import { foldSuite } from "../../features/test/online-store/fold-suite.ts";
import { header, once, readOne, rowOf, rowsOf } from "../../features/test/online-store/store-world.ts";
import { valuesSuite } from "../../features/test/online-store/values-suite.ts";
import { windowsSuite } from "../../features/test/online-store/windows-suite.ts";
import { openOnlineStore } from "../src/index.ts";
import { openWorld } from "./lmdb-world.ts";

describe("LMDB keeps the contract of the online store", () => {
  valuesSuite(openWorld);
  foldSuite(openWorld);
  windowsSuite(openWorld);
  earlySuite(openWorld);
});

test("old generations do not pile up, and the last one stays for a reader that is in the middle", async () => {
  await using world = await openWorld();
  const store = world.openWriter();
  for (let turn = 1; turn <= 12; turn++)
    await store.replace(header, asEpochMicros(1000 + turn), rowsOf(turn));
  const raw = open({ path: join(world.folder, "online.lmdb"), readOnly: true });
  const generations = new Set(
    [...raw.getKeys()].flatMap((key) => (Array.isArray(key) && key[0] === "value" ? [key[4]] : [])),
  );
  await raw.close();
  expect([...generations]).toEqual([11, 12]);
  await store.close();
});

test("a count of values that fails fails no fold", async () => {
  await using world = await openWorld();
  const faults: unknown[] = [];
  const store = openOnlineStore({ folder: world.folder, countFailed: (error) => faults.push(error) });
  const fold = (after: number, key: string) => {
    const sequence = after + 1;
    const record = { event: 5, available: 5, sequence, isTombstone: false, values: [1, null] };
    const asOf = asEpochMicros(sequence * 10 ** 12);
    return store.fold(header, {
      log: "log_1",
      after,
      upTo: sequence,
      asOf,
      pages: once([{ key: [key], record }]),
    });
  };
  await fold(0, "x");
  expect(await store.valueState(header)).toMatchObject({ entities: 1 });
  // A row that nothing of this version can read.
  const raw = open({ path: join(world.folder, "online.lmdb") });
  const [row] = [...raw.getKeys()].filter((key) => Array.isArray(key) && key[0] === "value") as string[][];
  await raw.put([...(row ?? []).slice(0, -1), "unread"], { r: 5 });
  await raw.close();
  await fold(1, "y");
  expect(faults).toHaveLength(1);
  expect(await store.foldPosition(header)).toMatchObject({ sequence: 2 });
  expect(await store.valueState(header), "as it was counted last").toMatchObject({ entities: 1 });
  await store.close();
});

test("what JSON has no number for is a text in columns, and a number to whoever computes with it", async () => {
  await using world = await openWorld();
  const store = world.openWriter();
  const values = [Number.NaN, Number.NEGATIVE_INFINITY];
  await store.replace(header, asEpochMicros(1000), [{ key: ["x"], values }]);
  const asked = { view: header, keys: [["x"]], features: ["a", "b"] };
  const [columns] = await store.readColumns([asked], asEpochMicros(1000));
  expect(columns && rowOf(columns, 0, ["a", "b"]).cells).toEqual([
    ["a", '"NaN"'],
    ["b", '"-Infinity"'],
  ]);
  const [found] = await store.read([{ view: header, key: ["x"] }], asEpochMicros(1000));
  expect(found && [found.values["a"]?.value, found.values["b"]?.value]).toEqual(values);
  await store.close();
});

test("a row lies under its view, generation and key, of which a long part is its digest (R1)", async () => {
  await using world = await openWorld();
  const store = world.openWriter();
  const [longest, longer] = ["x".repeat(100), "y".repeat(101)];
  await store.replace(header, asEpochMicros(1000), [{ key: [longest], values: [1, 2] }]);
  await store.replace(header, asEpochMicros(2000), [{ key: [longer], values: [3, 4] }]);
  const digest = createHash("sha256").update(longer).digest("hex");
  const place = ["value", "org_a", "production", "v@1"];
  const rows = (await world.dump()).filter((line) => line.startsWith('["value"'));
  expect(rows.map((line) => [line.slice(0, line.indexOf(" ")), line.includes(" c1")])).toEqual([
    [JSON.stringify([...place, 1, `=${longest}`]), true],
    [JSON.stringify([...place, 2, `#${digest}`]), true],
  ]);
  await store.close();
});

test("rows of a store of before are read as they are, and written anew in the form of today (R7)", async () => {
  await using world = await openWorld();
  let store = world.openWriter();
  const folded = { ...header, view: "folded@1" };
  const record = { event: 5, available: 6, sequence: 1, isTombstone: false, values: [1.5, null] };
  const fold = (after: number, one: typeof record) =>
    store.fold(folded, {
      log: "flg_a",
      after,
      upTo: one.sequence,
      asOf: asEpochMicros(0),
      pages: once([{ key: ["x"], record: one }]),
    });
  await store.replace(header, asEpochMicros(1000), [
    { key: ["x"], values: [0.25, null] },
    { key: ["y"], values: [3, 4] },
  ]);
  await fold(0, record);
  const packed = await world.dump();
  await store.close();
  // As the version before wrote them: MessagePack.
  const raw = open({ path: join(world.folder, "online.lmdb") });
  const place = (view: string, entity: string) => ["value", "org_a", "production", view, 1, `=${entity}`];
  await raw.put(place("v@1", "x"), { a: 1000, v: [0.25, null] });
  await raw.put(place("v@1", "y"), { a: 1000, v: [3, 4] });
  await raw.put(place("folded@1", "x"), { r: [[5, 6, 1, 0, [1.5, null]]] });
  await raw.close();
  expect(await world.dump()).not.toEqual(packed);

  store = world.openWriter();
  expect(await readOne(store, header, ["x"], 1000)).toMatchObject({
    asOf: 1000,
    values: { a: { value: 0.25 }, b: { status: "null" } },
  });
  expect(await readOne(store, folded, ["x"], 6)).toMatchObject({ asOf: 5, values: { a: { value: 1.5 } } });
  await store.update(header, asEpochMicros(999), [{ key: ["y"], values: [9, 9] }]);
  expect((await readOne(store, header, ["y"], 1000)).values["a"]?.value).toBe(3);
  await store.update(header, asEpochMicros(1001), [{ key: ["y"], values: [9, 9] }]);
  expect((await readOne(store, header, ["y"], 1001)).values["a"]?.value).toBe(9);
  // A record that is older than what is there changes nothing, and the row is in the form of today.
  await fold(1, { ...record, event: 4, sequence: 2 });
  expect((await readOne(store, folded, ["x"], 6)).values["a"]?.value).toBe(1.5);
  const row = `${JSON.stringify(place("folded@1", "x"))} `;
  const rowIn = (dump: readonly string[]) => dump.find((line) => line.startsWith(row));
  expect(rowIn(await world.dump())).toBe(rowIn(packed));
  await store.close();
});
