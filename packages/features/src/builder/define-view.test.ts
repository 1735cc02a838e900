import { readFile } from "node:fs/promises";
import type { ValueType } from "@portolan/expressions";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accounts } from "../../../../examples/feature-views/accounts.view.ts";
import { routes } from "../../../../examples/feature-views/routes.view.ts";
import { featureViewDigest, readFeatureView } from "../read-view.ts";
import { textNamesOf } from "../view-model.ts";
import {
  coalesce,
  contract,
  count,
  type DefinedView,
  defineView,
  distinct,
  type FeatureDefinition,
  float,
  last,
  lastK,
  max,
  mean,
  min,
  onDemand,
  sum,
  Term,
  value,
  variance,
  when,
} from "./index.ts";

const columns = {
  account: "text",
  branch: "int",
  at: "instant",
  known: "instant",
  local_at: "local",
  cents: "int",
  fee: "int",
  rating: "float",
  price: "float",
  is_new: "bool",
  op: "text",
} as const;
const changes = contract("changes", columns, { primaryKey: ["account", "at"], scales: { price: 2 } });

function digestOfYaml(text: string): string {
  return featureViewDigest(
    readFeatureView(
      text,
      "view.yaml",
      () => columns,
      () => ["account", "at"],
      () => ({ price: 2 }),
    ),
  );
}

describe("a view that is defined in TypeScript", () => {
  test("has the digest of the YAML that says the same, and its document has it too", async () => {
    const yaml = await readFile(
      new URL("../../../../examples/flight-delays/features/routes.yaml", import.meta.url),
      "utf8",
    );
    const types = {
      departure_local: "local",
      departed_at: "instant",
      delay: "int",
      distance: "int",
      origin: "text",
      destination: "text",
    } as const;
    const read = (text: string) => readFeatureView(text, "routes.yaml", () => types);
    expect(routes.digest).toBe(featureViewDigest(read(yaml)));
    expect(read(routes.document)).toEqual(routes.view);
    expect(routes.view).toMatchObject({
      request: [{ name: "distance_miles", type: "float" }],
      onDemand: [{ name: "route_delay_per_100_miles" }],
    });
  });

  test("has texts as values, which on-demand features read as texts (F74)", () => {
    const yaml = `kind: FeatureView
name: accounts
source: changes
entity: [account]
eventTime: at
tombstone: op = 'D'
ttl: 90d
request: [{ name: asked_segment, type: text }]
features:
  - { name: balance, value: cents }
  - { name: segment, value: segment }
  - { name: size, value: "if(cents > 100000, 'large', 'small')" }
  - { name: is_same_segment, onDemand: segment = asked_segment }
`;
    const types = { account: "text", at: "instant", op: "text", cents: "int", segment: "text" } as const;
    expect(accounts.digest).toBe(featureViewDigest(readFeatureView(yaml, "a.yaml", () => types)));
    expect(textNamesOf(accounts.view)).toEqual(["segment", "size"]);
  });

  test("says everything that YAML can", () => {
    const defined = defineView({
      name: "accounts",
      version: 3,
      source: changes,
      entity: { whose: "account", branch: "branch" },
      eventTime: "at",
      available: ({ known }) => known,
      ttl: "1h",
      events: "log",
      online: "accepted",
      tombstone: ({ op }) => op.eq("D"),
      request: { amount: "float", asked_at: "instant" },
      features: ({ cents, fee, rating, price, is_new, op, local_at }) => ({
        n: count({ window: "1h" }),
        n_new: count({ window: "1h", where: is_new.and(op.isIn("I", "U")) }, cents),
        net: sum(cents.minus(fee), { window: "90d" }),
        paid: mean(price, { window: "7d", where: rating.isNull().not() }),
        spread: variance(cents.wholeOver(100), { window: "1d" }),
        least: min(rating.negated(), { window: "1h" }),
        most: max(when(is_new, rating, coalesce(rating, 0)), { window: "1h" }),
        newest: last(cents.modulo(7), { window: "1h" }),
        lasts: lastK(cents.abs(), { window: "1h", k: 2 }),
        kinds: distinct(op, { window: "1h", limit: 4 }),
        hours: distinct(local_at.hour(), { window: "1h", limit: 24 }),
      }),
      onDemand: ({ amount, asked_at }, feature) => ({
        share: onDemand(amount.over(feature("net"))),
        is_late: onDemand(asked_at.dayOfWeek().eq(0)),
      }),
    });
    const yaml = `kind: FeatureView
name: accounts
version: 3
source: changes
entity: [{ name: whose, column: account }, branch]
eventTime: at
available: known
ttl: 1h
events: log
online: accepted
tombstone: op = 'D'
request: [{ name: amount, type: float }, { name: asked_at, type: instant }]
features:
  - { name: n, aggregate: count, window: 1h }
  - { name: n_new, aggregate: count, of: cents, where: "is_new and op in ('I', 'U')", window: 1h }
  - { name: net, aggregate: sum, of: cents - fee, window: 90d }
  - { name: paid, aggregate: mean, of: price, where: rating is not null, window: 7d }
  - { name: spread, aggregate: variance, of: cents // 100, window: 1d }
  - { name: least, aggregate: min, of: -rating, window: 1h }
  - { name: most, aggregate: max, of: "if(is_new, rating, coalesce(rating, 0))", window: 1h }
  - { name: newest, aggregate: last, of: cents % 7, window: 1h }
  - { name: lasts, aggregate: last_k, of: abs(cents), k: 2, window: 1h }
  - { name: kinds, aggregate: distinct, of: op, limit: 4, window: 1h }
  - { name: hours, aggregate: distinct, of: hour(local_at), limit: 24, window: 1h }
  - { name: share, onDemand: amount / net }
  - { name: is_late, onDemand: dow(asked_at) = 0 }
`;
    expect(defined.digest).toBe(digestOfYaml(yaml));
    expect(digestOfYaml(defined.document)).toBe(defined.digest);
    // It counts for what the view means: one that waits for its batches is another one.
    expect(defined.view.online).toBe("accepted");
    expect(digestOfYaml(yaml.replace("online: accepted\n", ""))).not.toBe(defined.digest);
  });

  test("is refused for what YAML would be, in the same words, or before it runs", () => {
    const define = (feature: FeatureDefinition): DefinedView =>
      defineView({
        name: "accounts",
        source: changes,
        entity: ["account"],
        eventTime: "at",
        ttl: "1h",
        features: () => ({ n: feature }),
      });
    const rating = new Term({ op: "column", name: "rating", type: "float" });
    expect(() => define(sum(rating, { window: "1h" }))).toThrow(/sums run on integers/);
    expect(() => define(count({ window: "91d" }))).toThrow(/at most 90d/);
    expect(() => define({ ...count({ window: "1h" }), k: 3 })).toThrow(/is of a last_k/);
    expect(() => rating.modulo(2)).toThrow(/modulo cannot take/);
    const early = {
      name: "early",
      entity: ["account"],
      eventTime: "at",
      ttl: "1h",
      online: "accepted",
    } as const;
    const features = () => ({ n: count({ window: "1h" }) });
    expect(() => defineView({ ...early, source: changes, features })).toThrow(
      /for events that something names/,
    );
    const keyless = contract("changes", columns);
    expect(() => defineView({ ...early, source: keyless, events: "log", features })).toThrow(
      /for events that something names/,
    );
    // @ts-expect-error a text is not summed
    expect(() => define(sum(new Term({ op: "column", name: "op", type: "text" }), { window: "1h" }))).toThrow(
      /is text/,
    );
  });
});

/** An expression as a text with more brackets than it takes, and as a term. */
interface Pair<T extends ValueType> {
  readonly text: string;
  readonly term: Term<T>;
}
const column = <T extends ValueType>(name: string, type: T): Pair<T> => ({
  text: name,
  term: new Term({ op: "column", name, type } as { op: "column"; name: string; type: T }),
});
const grammar = fc.letrec<{ int: Pair<"int">; float: Pair<"float">; bool: Pair<"bool"> }>((tie) => ({
  int: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(column("cents", "int"), column("fee", "int")),
    fc
      .tuple(tie("int"), tie("int"))
      .map(([a, b]) => ({ text: `(${a.text} + ${b.text})`, term: a.term.plus(b.term) as Term<"int"> })),
    fc
      .tuple(tie("int"), tie("int"))
      .map(([a, b]) => ({ text: `(${a.text}) - (${b.text})`, term: a.term.minus(b.term) as Term<"int"> }))
      .map(wrapped),
    fc
      .tuple(tie("int"), fc.nat(99))
      .map(([a, n]) => ({ text: `(${a.text} * ${n})`, term: a.term.times(n) as Term<"int"> })),
    tie("int").map((a) => ({ text: `(-(${a.text}))`, term: a.term.negated() })),
    tie("float").map((a) => ({ text: `floor(${a.text})`, term: a.term.floor() })),
    fc.tuple(tie("bool"), tie("int"), tie("int")).map(([c, a, b]) => ({
      text: `case when ${c.text} then ${a.text} else ${b.text} end`,
      term: when(c.term, a.term, b.term) as Term<"int">,
    })),
  ),
  float: fc.oneof(
    { maxDepth: 4 },
    fc.constant(column("rating", "float")),
    fc.nat(9).map((n) => ({ text: `${n}.0`, term: float(n) })),
    fc
      .tuple(tie("int"), tie("int"))
      .map(([a, b]) => ({ text: `((${a.text}) / (${b.text}))`, term: a.term.over(b.term) })),
    fc
      .tuple(tie("float"), tie("int"))
      .map(([a, b]) => ({ text: `(${a.text} + ${b.text})`, term: a.term.plus(b.term) as Term<"float"> })),
    fc.tuple(tie("float"), tie("float")).map(([a, b]) => ({
      text: `coalesce(${a.text}, ${b.text})`,
      term: coalesce(a.term, b.term) as Term<"float">,
    })),
  ),
  bool: fc.oneof(
    { maxDepth: 4 },
    fc.constant(column("is_new", "bool")),
    fc
      .tuple(tie("int"), fc.integer({ min: -9, max: 9 }))
      .map(([a, n]) => ({ text: `((${a.text}) > ${n})`, term: a.term.gt(n) })),
    fc
      .tuple(tie("bool"), tie("bool"))
      .map(([a, b]) => ({ text: `(${a.text} and ${b.text})`, term: a.term.and(b.term) })),
    fc
      .tuple(tie("bool"), tie("bool"))
      .map(([a, b]) => ({ text: `(${a.text} or ${b.text})`, term: a.term.or(b.term) })),
    tie("bool").map((a) => ({ text: `(not (${a.text}))`, term: a.term.not() })),
    tie("float").map((a) => ({ text: `((${a.text}) is null)`, term: a.term.isNull() })),
  ),
}));

function wrapped<T extends ValueType>({ text, term }: Pair<T>): Pair<T> {
  return { text: `(${text})`, term };
}

interface Drawn {
  readonly yaml: string;
  readonly feature: FeatureDefinition;
}
const window = fc.constantFrom("10s", "3h", "7d");
const isLate = fc.option(grammar.bool);
const windowed = fc
  .tuple(
    grammar.int,
    window,
    isLate,
    fc.constantFrom("sum", "mean", "variance", "min", "max", "last", "count", "distinct", "last_k"),
  )
  .map(([of, lasting, where, aggregate]): Drawn => {
    const more = { window: lasting, ...(where ? { where: where.term } : {}) };
    const made: Readonly<Record<string, () => FeatureDefinition>> = {
      sum: () => sum(of.term, more),
      mean: () => mean(of.term, more),
      variance: () => variance(of.term, more),
      min: () => min(of.term, more),
      max: () => max(of.term, more),
      last: () => last(of.term, more),
      count: () => count(more, of.term),
      distinct: () => distinct(of.term, { ...more, limit: 5 }),
      last_k: () => lastK(of.term, { ...more, k: 3 }),
    };
    const own = aggregate === "distinct" ? ", limit: 5" : aggregate === "last_k" ? ", k: 3" : "";
    const condition = where ? `, where: "${where.text}"` : "";
    return {
      yaml: `aggregate: ${aggregate}, of: "${of.text}", window: ${lasting}${condition}${own}`,
      feature: made[aggregate]?.() ?? count(more),
    };
  });
const stated = fc.oneof(grammar.int, grammar.float, grammar.bool).map(
  (of): Drawn => ({
    yaml: `value: "${of.text}"`,
    feature: value(of.term as Term<"int" | "float" | "bool">),
  }),
);

test("a random view has one digest, whether it is written in YAML or in TypeScript (F65)", () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(windowed, { minLength: 1, maxLength: 5 }),
        fc.array(stated, { minLength: 1, maxLength: 5 }),
      ),
      fc.record({ isLog: fc.boolean(), isEarly: fc.boolean() }),
      grammar.int,
      (features, { isLog, isEarly }, lag) => {
        const isWindowed = features.some(({ feature }) => feature.aggregate !== undefined);
        const events = isLog && isWindowed ? ({ events: "log" } as const) : {};
        const online = isEarly && (isLog || !isWindowed) ? ({ online: "accepted" } as const) : {};
        const yaml = `kind: FeatureView\nname: v\nsource: changes\nentity: [account]\neventTime: at\navailable: "known + (${lag.text})"\nttl: 2h\n${"events" in events ? "events: log\n" : ""}${"online" in online ? "online: accepted\n" : ""}features:\n${features.map((one, index) => `  - { name: f${index}, ${one.yaml} }\n`).join("")}`;
        // Texts that are too long or too deep are refused in either form.
        if (yaml.split("\n").some((one) => one.length > 1500)) return;
        const defined = defineView({
          name: "v",
          source: changes,
          entity: ["account"],
          eventTime: "at",
          available: ({ known }) => known.plus(lag.term) as Term<"instant">,
          ttl: "2h",
          ...events,
          ...online,
          features: () => Object.fromEntries(features.map(({ feature }, index) => [`f${index}`, feature])),
        });
        expect(defined.digest).toBe(digestOfYaml(yaml));
        expect(digestOfYaml(defined.document)).toBe(defined.digest);
        compared += 1;
      },
    ),
    { numRuns: 150 },
  );
  expect(compared).toBeGreaterThan(100);
});
