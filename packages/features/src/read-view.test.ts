import { parseExpression } from "@portolan/expressions";
import { expect, test } from "vitest";
import { adviseView } from "./advise-view.ts";
import { featureViewDigest, readFeatureView } from "./read-view.ts";
import { featureNamesOf, isValueView, onDemandPlanOf, textNamesOf } from "./view-model.ts";

const types = {
  account: "text",
  at: "instant",
  known: "instant",
  op: "text",
  cents: "int",
  rating: "float",
} as const;
const text = (features: string, more = "") => `kind: FeatureView
name: accounts
source: changes
entity: [account]
eventTime: at
ttl: 1h
${more}features:
${features}`;
const read = (features: string, more?: string) =>
  readFeatureView(text(features, more), "accounts.yaml", () => types);
const values = "  - { name: balance, value: cents }\n  - { name: is_low, value: rating < 0.5 }\n";

test("a view of values has its features in order, and a digest that its text's spaces do not enter", () => {
  const view = read(values, "available: known\ntombstone: op = 'D'\n");
  expect(isValueView(view)).toBe(true);
  expect(featureNamesOf(view)).toEqual(["balance", "is_low"]);
  expect(view.tombstone).toMatchObject({ type: "bool" });
  const spaced = read(
    values.replace("rating < 0.5", "( rating<0.5 )"),
    "available: known\ntombstone: op='D'\n",
  );
  expect(featureViewDigest(spaced)).toBe(featureViewDigest(view));
  expect(featureViewDigest(read(values))).not.toBe(featureViewDigest(view));
});

test("a value may be a text, which on-demand features read as one (F74)", () => {
  const view = read(
    `${values}  - { name: op, value: op }\n  - { name: is_asked, onDemand: op = asked }\n`,
    "request:\n  - { name: asked, type: text }\n",
  );
  expect(textNamesOf(view)).toEqual(["op"]);
  expect(onDemandPlanOf(view)).toMatchObject({ stored: ["balance", "is_low", "op"], texts: ["op"] });
  expect(onDemandPlanOf(read(`${values}  - { name: x, onDemand: balance * 2 }\n`))).not.toHaveProperty(
    "texts",
  );
});

test("the last k values are k features, the newest of them a plain last, and share a name with no other", () => {
  const lasts = "  - { name: paid, aggregate: last_k, of: cents, k: 3, window: 1h }\n";
  const { features } = read(lasts);
  expect(features.map(({ name, aggregate, nth }) => [name, aggregate, nth])).toEqual([
    ["paid_1", "last", undefined],
    ["paid_2", "last", 2],
    ["paid_3", "last", 3],
  ]);
  expect(() => read(`${lasts}  - { name: paid_2, aggregate: count, window: 1h }\n`)).toThrow(
    /repeats a name/,
  );
});

test("a number whose contract states its scale is counted in units, under a condition too, and is a float to all else (F64)", () => {
  const rated = (feature: string) =>
    readFeatureView(
      text(`  - { name: n, ${feature}, window: 1h }\n`),
      "accounts.yaml",
      () => types,
      () => [],
      () => ({ rating: 2 }),
    ).features[0];
  const units = parseExpression("floor(rating * 100.0 + 0.5)", types);
  expect(rated("aggregate: sum, of: rating")).toMatchObject({ of: units, scale: 2 });
  expect(rated("aggregate: distinct, of: rating, limit: 5")).toEqual({
    name: "n",
    aggregate: "distinct",
    of: units,
    windowMicros: 3_600_000_000,
    limit: 5,
  });
  expect(rated("aggregate: mean, of: rating, where: cents > 1")).toMatchObject({
    of: { fn: "if", type: "int" },
    scale: 2,
  });
  expect(rated("aggregate: max, of: rating")).toMatchObject({ of: { op: "column", type: "float" } });
  expect(rated("aggregate: max, of: rating")).not.toHaveProperty("scale");
  expect(() => rated("aggregate: sum, of: rating * 2")).toThrow(/sums run on integers/);
});

test("on-demand features are read over request fields and stored features, and belong to a view with a log", () => {
  const asked = "request:\n  - { name: paid, type: int }\n";
  const view = read(`${values}  - { name: share, onDemand: paid / balance }\n`, asked);
  expect(featureNamesOf(view)).toEqual(["balance", "is_low", "share"]);
  expect(onDemandPlanOf(view)).toEqual({
    request: [{ name: "paid", type: "int" }],
    stored: ["balance", "is_low"],
    features: [{ name: "share", expression: "float(paid) / balance" }],
  });
  expect(featureViewDigest(view)).not.toBe(featureViewDigest(read(values)));
  const window = "  - { name: n, aggregate: count, window: 1h }\n";
  const half = "  - { name: half, onDemand: n / 2 }\n";
  expect(() => read(window + half)).toThrow(/none that a log keeps/);
  expect(read(window + half, "events: log\n").onDemand).toHaveLength(1);
  expect(() => read(values, asked)).toThrow(/read by no feature/);
  expect(() => read(`${values}  - { name: x, onDemand: cents }\n`, asked)).toThrow(/no column cents/);
  expect(() => read(`${values}  - { name: x, onDemand: paid }\n`, asked.replace("paid", "is_low"))).toThrow(
    /share a name/,
  );
  expect(() =>
    read(`${values}  - { name: share, onDemand: paid > 0 }\n`, asked.replace("int", "money")),
  ).toThrow(/type/);
});

test("what is no view of values is refused where it stands, with what to write instead", () => {
  const refused = (features: string, more?: string) => {
    try {
      read(features, more);
    } catch (error) {
      return error;
    }
    throw new Error("it was taken");
  };
  const windows = "  - { name: n, aggregate: count, window: 1h }\n";
  const cases: readonly (readonly [unknown, number, string])[] = [
    [refused(values + windows), 7, "view of its own"],
    [refused(windows, "tombstone: op = 'D'\n"), 7, "events: log"],
    [refused(values, "tombstone: cents\n"), 7, "boolean column"],
    [refused("  - { name: known, value: known }\n"), 8, "Compare it"],
    [refused("  - { name: worst, aggregate: max, of: op, window: 1h }\n"), 8, "view of values"],
    [refused(`${values}  - { name: x, onDemand: "'a'" }\n`), 10, "computed on demand is a number"],
    [refused("  - { name: n, aggregate: distinct, of: op, window: 1h }\n"), 8, "limit: 50"],
    [refused("  - { name: n, aggregate: distinct, of: op, limit: 0, window: 1h }\n"), 8, "1 to 1000"],
    [refused("  - { name: n, aggregate: min, of: cents, limit: 5, window: 1h }\n"), 8, "bounds a distinct"],
    [
      refused("  - { name: n, aggregate: last, of: op, window: 1h }\n"),
      8,
      "integer, a truth value or a float",
    ],
    [refused("  - { name: n, aggregate: variance, of: rating, window: 1h }\n"), 8, "portolan.scale"],
    [refused("  - { name: n, aggregate: count, where: cents, window: 1h }\n"), 8, "no truth value"],
    [refused("  - { name: n, aggregate: last_k, of: cents, window: 1h }\n"), 8, "k: 3"],
    [refused("  - { name: n, aggregate: last_k, of: cents, k: 33, window: 1h }\n"), 8, "1 to 32"],
    [refused("  - { name: n, aggregate: last, of: cents, k: 3, window: 1h }\n"), 8, "is of a last_k"],
    [
      refused(`  - { name: ${"n".repeat(62)}, aggregate: last_k, of: cents, k: 3, window: 1h }\n`),
      8,
      "Shorten it",
    ],
    [refused("  - { name: balance, value: cents, window: 1h }\n"), 8, ""],
    [refused(values + values), 7, ""],
    [refused("  - { name: balance, value: euros }\n"), 8, ""],
  ];
  for (const [error, line, mend] of cases) {
    expect(error).toMatchObject({ code: "features.view_invalid", at: { line } });
    expect(JSON.stringify(error)).toContain(mend);
  }
});

test("windows that stand still online are advised against; those over a log, and values, need no advice", () => {
  const windows = "  - { name: paid, aggregate: count, window: 1h }\n";
  expect(adviseView(read(windows))).toEqual([expect.stringContaining("events: log")]);
  expect(adviseView(read(windows, "events: log\n"))).toEqual([]);
  expect(adviseView(read(values))).toEqual([]);
});
