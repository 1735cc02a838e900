import { asEpochMicros as t } from "@portolan/kernel";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OnlineReader, OnlineStore } from "../../src/contract.ts";
import { header, type OpenWorld, place, readOne, rowOf, rowsOf, type StoreWorld } from "./store-world.ts";

/** What every driver of the port `OnlineStore` holds of values: docs/spec/features.md F8 to F12. */
export function valuesSuite(openWorld: OpenWorld): void {
  let world: StoreWorld;
  let store: OnlineStore;
  let reader: OnlineReader;
  beforeEach(async () => {
    world = await openWorld();
    store = world.openWriter();
    await store.replace({ ...header, view: "first@1" }, t(1), []);
    reader = world.openReader();
  });
  afterEach(async () => {
    await Promise.all([store.close(), reader.close()]);
    await world[Symbol.asyncDispose]();
  });
  const get = (key: readonly (string | number)[], at: number, over: object = {}) =>
    readOne(reader, { ...header, ...over }, key, at);
  /** The first read of a new connection may come before it. */
  const connected = async () => {
    while ((await get(["x"], 0)).status === "unavailable")
      await new Promise((resolve) => setTimeout(resolve, 5));
  };

  test("a value is served up to its ttl and not a microsecond longer, and never before it was computed (F8)", async () => {
    await connected();
    await store.replace(header, t(1000), [{ key: ["x"], values: [1, null] }]);
    expect(await get(["x"], 1000)).toEqual({
      status: "found",
      asOf: 1000,
      values: { a: { value: 1, status: "present" }, b: { value: null, status: "null" } },
    });
    expect((await get(["x"], 1100)).status).toBe("found");
    for (const at of [1101, 999]) {
      const outside = await get(["x"], at);
      expect(outside.status).toBe("outside_max_age");
      expect(outside.values["a"]).toEqual({ value: null, status: "outside_max_age" });
    }
  });

  test("texts come back as they were, beside numbers, and columns say them as JSON (F74)", async () => {
    await connected();
    const texts = [
      "",
      "7",
      "NaN",
      "\u00e9",
      "e\u0301",
      "it's \"\\",
      "\u0000",
      "\u{1f6eb}".repeat(63),
      "\u0000".repeat(255),
    ];
    const rows = texts.map((text, index) => ({ key: [`k${index}`], values: [text, index] }));
    await store.replace(header, t(1000), [...rows, { key: ["none"], values: [null, 7] }]);
    for (const [index, text] of texts.entries())
      expect((await get([`k${index}`], 1000)).values).toEqual({
        a: { value: text, status: "present" },
        b: { value: index, status: "present" },
      });
    expect((await get(["none"], 1000)).values["a"]).toEqual({ value: null, status: "null" });
    // Where a text was, a number may be, and the other way round: a row says what each is.
    await store.update(header, t(1001), [{ key: ["k0"], values: [5, "five"] }]);
    expect((await get(["k0"], 1001)).values).toEqual({
      a: { value: 5, status: "present" },
      b: { value: "five", status: "present" },
    });
    const keys = rows.map(({ key }) => key);
    const [columns] = await reader.readColumns([{ view: header, keys, features: ["a"] }], t(1001));
    const said = keys.map((_, row) => columns && rowOf(columns, row, ["a"]).cells[0]?.[1]);
    expect(said).toEqual(["5", ...texts.slice(1).map((text) => JSON.stringify(text))]);
  });

  test("an unknown entity and an unknown view are not found", async () => {
    await connected();
    await store.replace(header, t(1000), []);
    expect(await get(["x"], 1000)).toEqual({
      status: "not_found",
      values: { a: { value: null, status: "not_found" }, b: { value: null, status: "not_found" } },
    });
    expect(await get(["x"], 1000, { view: "other@1" })).toEqual({ status: "not_found", values: {} });
  });

  test("many questions over several views get their own answers, in their order, each as often as it is asked", async () => {
    await connected();
    const other = { ...header, view: "w@1", featureNames: ["c"] };
    await store.replace(header, t(1000), rowsOf(7));
    await store.replace(other, t(1001), [{ key: ["k3"], values: [0.1] }]);
    const keys = ["k3", "nobody", "k4", "k3"];
    const answers = await reader.read(
      keys.flatMap((key) => [
        { view: other, key: [key] },
        { view: header, key: [key] },
      ]),
      t(1001),
    );
    expect(answers.map(({ status }) => status)).toEqual([
      "found",
      "found",
      "not_found",
      "not_found",
      "not_found",
      "found",
      "found",
      "found",
    ]);
    expect(answers.map(({ values }) => values["c"]?.value ?? values["b"]?.value ?? null)).toEqual([
      0.1,
      3,
      null,
      null,
      null,
      4,
      0.1,
      3,
    ]);
    expect(await reader.read([], t(1))).toEqual([]);
  });

  test("columns have the features that are asked for, in that order, of every entity, through all views and statuses", async () => {
    await connected();
    const other = { ...header, view: "w@1", featureNames: ["c"] };
    await store.replace(header, t(1000), [
      { key: ["old"], values: [7, 8] },
      { key: ["x"], values: [0, 0] },
    ]);
    await store.update(header, t(1100), [{ key: ["x"], values: [0.1, null] }]);
    await store.replace(other, t(1101), [{ key: ["x"], values: [-2e-7] }]);
    const keys = [["x"], ["nobody"], ["old"], ["x"]];
    const [first, second, unknown] = await reader.readColumns(
      [
        { view: header, keys, features: ["b", "a"] },
        { view: other, keys: [["x"], [7]], features: ["c"] },
        { view: { ...header, digest: "sha256:01" }, keys: [["x"]], features: ["a"] },
      ],
      t(1101),
    );
    expect(first && keys.map((_, row) => rowOf(first, row, ["b", "a"]))).toEqual([
      {
        asOf: 1100,
        cells: [
          ["b", "null"],
          ["a", "0.1"],
        ],
      },
      {
        asOf: undefined,
        cells: [
          ["b", "not_found"],
          ["a", "not_found"],
        ],
      },
      {
        asOf: 1000,
        cells: [
          ["b", "outside_max_age"],
          ["a", "outside_max_age"],
        ],
      },
      {
        asOf: 1100,
        cells: [
          ["b", "null"],
          ["a", "0.1"],
        ],
      },
    ]);
    expect(second && [0, 1].map((row) => rowOf(second, row, ["c"]).cells)).toEqual([
      [["c", "-2e-7"]],
      [["c", "not_found"]],
    ]);
    expect(unknown && rowOf(unknown, 0, ["a"])).toEqual({ asOf: undefined, cells: [["a", "not_found"]] });
    expect(await reader.readColumns([], t(1))).toEqual([]);
  });

  test("every double comes back bit for bit", async () => {
    await connected();
    let asOf = 1000;
    const double = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !Object.is(value, -0));
    await fc.assert(
      fc.asyncProperty(fc.tuple(double, fc.option(double)), async ([a, b]) => {
        asOf += 1;
        await store.replace(header, t(asOf), [{ key: ["x"], values: [a, b] }]);
        const { values } = await get(["x"], asOf);
        expect(Object.is(values["a"]?.value, a)).toBe(true);
        expect(Object.is(values["b"]?.value, b)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test("a replacement removes what it does not name, and an older one changes nothing (F9, F10)", async () => {
    await connected();
    await store.replace(header, t(1000), [
      { key: ["gone"], values: [1, 1] },
      { key: ["x"], values: [1, 1] },
    ]);
    expect(await store.replace(header, t(1010), [{ key: ["x"], values: [2, 2] }])).toEqual({});
    expect(await store.replace(header, t(1005), [{ key: ["x"], values: [3, 3] }])).toEqual({
      supersededBy: 1010,
    });
    expect((await get(["gone"], 1010)).status).toBe("not_found");
    expect((await get(["x"], 1010)).values["a"]?.value).toBe(2);
    expect(await store.replace(header, t(1010), [{ key: ["x"], values: [4, 4] }])).toEqual({});
    expect((await get(["x"], 1010)).values["a"]?.value).toBe(4);
  });

  test("the same name in another environment, organisation or definition is another view (F10a)", async () => {
    await connected();
    await store.replace(header, t(1000), [{ key: ["x"], values: [1, 1] }]);
    const dev = { ...header, environment: "dev" };
    const foreign = { ...header, organisationId: "org_b" };
    for (const other of [dev, foreign]) {
      expect((await get(["x"], 1000, other)).status).toBe("not_found");
      await store.replace(other, t(2000), [{ key: ["x"], values: [9, 9] }]);
    }
    expect(await get(["x"], 1000)).toMatchObject({ asOf: 1000, values: { a: { value: 1 } } });
    expect(await get(["x"], 1000, { digest: "sha256:01" })).toEqual({ status: "not_found", values: {} });
    const again = await readOne(reader, { ...place, view: "v@1", digest: "sha256:00" }, ["x"], 1000);
    expect(again.status).toBe("found");
  });

  test("an update touches its entities alone, and an older value never replaces a newer one", async () => {
    await connected();
    await store.replace(header, t(1000), [
      { key: ["x"], values: [1, 1] },
      { key: ["y"], values: [1, 1] },
    ]);
    await store.update(header, t(1020), [{ key: ["x"], values: [2, 2] }]);
    await store.update(header, t(1010), [{ key: ["x"], values: [3, 3] }]);
    expect(await get(["x"], 1020)).toMatchObject({ asOf: 1020, values: { a: { value: 2 } } });
    expect(await get(["y"], 1020)).toMatchObject({ asOf: 1000, values: { a: { value: 1 } } });
  });

  test("an integer key is the same entity as number and as decimal text (F11)", async () => {
    await connected();
    await store.replace(header, t(1000), [{ key: [42, "a"], values: [1, 1] }]);
    expect((await get(["42", "a"], 1000)).status).toBe("found");
    expect((await get([42, "a"], 1000)).status).toBe("found");
  });

  test("no two keys are taken for one another, whatever their characters and length (F11)", async () => {
    await connected();
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.constantFrom("", "\0", "\0\0", "=x", "#", "é", "x".repeat(99), "x".repeat(101), "x".repeat(5000)),
    );
    const keys = fc.uniqueArray(fc.tuple(part, part), {
      selector: (key) => JSON.stringify(key),
      maxLength: 40,
    });
    let asOf = 1000;
    await fc.assert(
      fc.asyncProperty(keys, async (found) => {
        asOf += 1;
        await store.replace(
          header,
          t(asOf),
          found.map((key, index) => ({ key, values: [index, 0] })),
        );
        for (const [index, key] of found.entries())
          expect((await get(key, asOf)).values["a"]?.value).toBe(index);
        expect((await get(["never", "there"], asOf)).status).toBe("not_found");
      }),
      { numRuns: 15 },
    );
  });

  test("entities that a part of their key names are forgotten for good, and no others", async () => {
    await connected();
    const long = "x".repeat(500);
    const rows = [
      ["a", 1],
      ["b", 1],
      ["a", 11],
      [long, 1],
      ["a]", 1],
    ].map((key) => ({ key, values: [1, 2] }));
    await store.replace(header, t(1000), rows);
    const one = { part: 1, parts: 2, value: "11" };
    const first = { part: 0, parts: 2, value: "a" };
    expect(await store.countEntities(header, first)).toBe(2);
    const texts = async () => {
      let all = "";
      for await (const text of store.textsOf(header)) all += `${text}\n`;
      return all;
    };
    expect(await texts()).toContain("=11");
    expect(await store.forgetEntities(header, one)).toBe(1);
    expect(await texts()).not.toContain("=11");
    expect(await store.countEntities(header, first)).toBe(1);
    expect(await store.forgetEntities(header, { part: 0, parts: 2, value: long })).toBe(1);
    expect(await store.forgetEntities(header, first)).toBe(1);
    expect(await store.forgetEntities(header, first)).toBe(0);
    expect((await get(["a", 1], 1000)).status).toBe("not_found");
    expect((await get(["b", 1], 1000)).status).toBe("found");
    expect((await get(["a]", 1], 1000)).status).toBe("found");
    expect(await store.countEntities({ ...header, organisationId: "org_b" }, first)).toBe(0);
  });

  test("what was written is there when the store is opened again", async () => {
    await connected();
    await store.replace(header, t(1000), [{ key: ["x"], values: [1.5, null] }]);
    await store.close();
    store = world.openWriter();
    await store.update(header, t(1001), [{ key: ["y"], values: [2, 2] }]);
    expect((await get(["x"], 1001)).values["a"]?.value).toBe(1.5);
    expect((await get(["y"], 1001)).values["a"]?.value).toBe(2);
  });
}
