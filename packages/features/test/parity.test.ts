import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import type { Row } from "@portolan/expressions";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readFeatureView } from "../src/read-view.ts";
import type { FeatureView } from "../src/view-model.ts";
import { WindowFold } from "../src/windows/window-fold.ts";
import { oracleStatement } from "../src/windows/window-oracle.ts";
import { windowStatements } from "../src/windows/window-plan.ts";

/** docs/spec/features.md F1 to F6: three executors, one meaning. */

const engine = createDuckDbEngine();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-parity-"));
});
afterAll(() => rm(folder, { recursive: true }));

const second = 1_000_000n;
const view = readFeatureView(
  `kind: FeatureView
name: sensors
source: events
entity: [site, unit]
eventTime: ts
available: ts + lag
ttl: 1h
features:
  - { name: n_short, aggregate: count, window: 10s }
  - { name: n_long, aggregate: count, window: 60s }
  - { name: sum_short, aggregate: sum, of: v, window: 10s }
  - { name: mean_long, aggregate: mean, of: v, window: 60s }
  - { name: share_long, aggregate: mean, of: v > 15, window: 60s }
  - { name: net_short, aggregate: sum, of: v - w, window: 10s }
  - { name: n_high, aggregate: count, where: v > 15, window: 60s }
  - { name: sum_high, aggregate: sum, of: w, where: v > 15, window: 10s }
  - { name: spread, aggregate: variance, of: v, window: 60s }
  - { name: spread_small, aggregate: variance, of: v // 1000000000000000000, window: 60s }
  - { name: least, aggregate: min, of: v, window: 10s }
  - { name: least_long, aggregate: min, of: v, window: 60s }
  - { name: most, aggregate: max, of: f, window: 60s }
  - { name: newest, aggregate: last, of: v, window: 60s }
  - { name: newest_high, aggregate: last, of: f, where: v > 15, window: 10s }
  - { name: is_high, aggregate: last, of: v > 15, window: 60s }
  - { name: lasts, aggregate: last_k, of: v, k: 3, window: 60s }
  - { name: lasts_high, aggregate: last_k, of: f, k: 2, where: v > 15, window: 10s }
  - { name: paid, aggregate: sum, of: p, window: 10s }
  - { name: paid_mean, aggregate: mean, of: p, where: v > 15, window: 60s }
  - { name: paid_spread, aggregate: variance, of: p, window: 60s }
  - { name: prices, aggregate: distinct, of: p, limit: 100, window: 60s }
  - { name: paid_last, aggregate: last, of: p, window: 60s }
  - { name: kinds, aggregate: distinct, of: c, limit: 3, window: 60s }
  - { name: sizes, aggregate: distinct, of: v, limit: 100, window: 10s }
`,
  "sensors.yaml",
  () => ({
    site: "text",
    unit: "int",
    ts: "instant",
    lag: "int",
    v: "int",
    w: "int",
    f: "float",
    p: "float",
    c: "text",
  }),
  () => [],
  () => ({ p: 2 }),
);
/** The largest of ours and beyond: sums that leave 64 bits, and doubles that round. */
const extremes = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, -(2n ** 53n) - 3n, 0n, 15n, 16n];

interface Case {
  readonly events: readonly Row[];
  readonly probes: readonly {
    readonly site: string | null;
    readonly unit: bigint | null;
    readonly at: bigint;
  }[];
}
/** Instants that fall on, one before and one after the edges of both windows. */
const instant = fc
  .tuple(fc.integer({ min: 0, max: 14 }), fc.constantFrom(-1n, 0n, 1n))
  .map(([steps, off]) => 1_000n * second + BigInt(steps) * 5n * second + off);
const value = fc.option(
  fc.oneof(fc.integer({ min: -60, max: 60 }).map(BigInt), fc.constantFrom(...extremes)),
  {
    freq: 6,
  },
);
const key = {
  site: fc.option(fc.constantFrom("a", "b", "it's"), { freq: 12 }),
  unit: fc.option(fc.constantFrom(1n, 2n ** 53n, 2n ** 53n + 1n), { freq: 12 }),
};
const lag = fc.option(
  fc.constantFrom(
    -5n * second,
    0n,
    1n,
    5n * second,
    10n * second - 1n,
    10n * second,
    60n * second,
    90n * second,
  ),
  { freq: 15 },
);
const aCase: fc.Arbitrary<Case> = fc.record({
  events: fc.array(
    fc.record({
      ...key,
      ts: fc.option(instant, { freq: 20 }),
      lag,
      v: value,
      w: value,
      f: fc.option(fc.constantFrom(0, -0, 0.1, -0.3, 1e300, -5e-324, Number.NaN, Number.POSITIVE_INFINITY), {
        freq: 6,
      }),
      p: fc.option(fc.constantFrom(0, 0.1, 0.2, 0.3, -0.07, 1.005, 4503599627370.49, -21474836.49, 1e300), {
        freq: 6,
      }),
      c: fc.option(fc.constantFrom("a", "b", "c", "d", "A", ""), { freq: 6 }),
    }),
    { maxLength: 60 },
  ),
  probes: fc.array(fc.record({ ...key, at: instant }), { minLength: 1, maxLength: 30 }),
});

/** Many cases at once, each with sites of its own: a start of the engine costs more than they do. */
const cases: fc.Arbitrary<Case> = fc.array(aCase, { minLength: 12, maxLength: 12 }).map((each) => {
  const ofCase = <T extends { readonly site?: unknown }>(of: T, at: number): T => ({
    ...of,
    site: typeof of.site === "string" ? `${of.site}#${at}` : null,
  });
  return {
    events: each.flatMap(({ events }, at) => events.map((event) => ofCase(event, at))),
    probes: each.flatMap(({ probes }, at) => probes.map((probe) => ofCase(probe, at))),
  };
});

const literal = (cell: Row[string] | undefined): string =>
  cell === null || cell === undefined
    ? "null"
    : typeof cell === "string"
      ? `'${cell.replaceAll("'", "''")}'`
      : typeof cell === "number"
        ? `'${Object.is(cell, -0) ? "-0.0" : cell}'::double`
        : String(cell);
const values = (rows: readonly (readonly (Row[string] | undefined)[])[]): string =>
  rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ");

async function offline({ events, probes }: Case): Promise<{ plan: unknown[][]; oracle: unknown[][] }> {
  const input = { view, events: "events", probes: "probes", probeKeys: ["site", "unit"], into: "w" };
  const names = view.features.map(({ name }) => name).join(", ");
  const { rows } = await engine.run({
    statements: [
      {
        sql: "create table events (site varchar, unit bigint, ts bigint, lag bigint, v bigint, w bigint, f double, p double, c varchar)",
      },
      ...(events.length === 0
        ? []
        : [
            {
              sql: `insert into events values ${values(events.map((e) => [e["site"], e["unit"], e["ts"], e["lag"], e["v"], e["w"], e["f"], e["p"], e["c"]]))}`,
            },
          ]),
      { sql: "create table probes (_row bigint, _at bigint, site varchar, unit bigint)" },
      {
        sql: `insert into probes values ${values(probes.map((p, row) => [BigInt(row), p.at, p.site, p.unit]))}`,
      },
      ...windowStatements(input),
      oracleStatement({ ...input, into: "o" }),
      { sql: `select ${names} from w order by _row`, returns: "plan" },
      { sql: `select ${names} from o order by _row`, returns: "oracle" },
    ],
    readable: [],
    workFolder: folder,
    threads: 2,
  });
  // 64-bit integers travel as text, and become the double that a model reads.
  const read = (name: string) =>
    (rows[name] ?? []).map((row) =>
      view.features.map((feature) => (row[feature.name] === null ? null : Number(row[feature.name]))),
    );
  return { plan: read("plan"), oracle: read("oracle") };
}

function online({ events, probes }: Case, order: readonly Row[] = events): unknown[][] {
  const fold = new WindowFold(view);
  for (const event of order) fold.apply(event);
  return probes.map(({ site, unit, at }) => fold.valuesAt([site ?? "none", unit ?? -1n], at));
}

test("online values, the batch plan and the definition agree bit for bit, whatever comes late, twice or never", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(cases, async (example) => {
      const { plan, oracle } = await offline(example);
      const fold = online(example);
      expect(plan).toEqual(oracle);
      expect(fold).toEqual(plan);
      expect(plan).toHaveLength(example.probes.length);
      compared += plan.length;
    }),
    { numRuns: 3, endOnFailure: true },
  );
  expect(compared).toBeGreaterThan(100);
});

test("the order in which events arrive changes no value", () => {
  fc.assert(
    fc.property(aCase, (example) => {
      expect(online(example, example.events.toReversed())).toEqual(online(example));
    }),
  );
});

test("the check notices each fault that feature stores are known for", async () => {
  const at = 1_050n * second;
  const probes = [{ site: "a", unit: 1n, at }];
  const event = (ts: bigint, lagMicros: bigint, v: bigint): Row => ({
    site: "a",
    unit: 1n,
    ts,
    lag: lagMicros,
    v,
    w: 0n,
    f: null,
    p: null,
    c: null,
  });
  const base = [event(at - 5n * second, 0n, 7n)];
  const changed: Readonly<Record<string, Row>> = {
    "an event on the far edge counts": event(at - 10n * second, 0n, 3n),
    "an event after the moment counts": event(at + 1n, 0n, 3n),
    "an event that was not known yet counts": event(at - 2n * second, 2n * second + 1n, 3n),
  };
  for (const [fault, extra] of Object.entries(changed)) {
    const short = (example: Case) => online(example)[0]?.[0];
    const example = { events: [...base, extra], probes };
    expect(short(example), fault).toBe(1);
    expect((await offline(example)).plan[0]?.[0], fault).toBe(1);
    // One microsecond to the other side, and it does count: the check above is about the edge and nothing else.
    const ts = extra["ts"] as bigint;
    const nudge: Row = {
      ...extra,
      ts: ts > at ? ts - 1n : ts + 1n,
      lag: extra["lag"] === 0n ? 0n : 2n * second - 1n,
    };
    expect(short({ events: [...base, nudge], probes }), fault).toBe(2);
  }
});

test("a view that sums floats is refused, for executors would differ in the last bits", () => {
  const text = (of: string): string =>
    `kind: FeatureView\nname: x\nsource: e\nentity: [k]\neventTime: ts\nttl: 1h\nfeatures:\n  - { name: s, aggregate: sum, of: "${of}", window: 1h }\n`;
  const types = { k: "text", ts: "instant", f: "float", i: "int" } as const;
  const read = (of: string): FeatureView => readFeatureView(text(of), "x.yaml", () => types);
  expect(() => read("f")).toThrow(/sums run on integers/);
  expect(() => read("i / 2")).toThrow(/sums run on integers/);
  expect(read("i // 2").features).toHaveLength(1);
});

test("a variance is the one that DuckDB has, as far as doubles go", async () => {
  const of = readFeatureView(
    "kind: FeatureView\nname: x\nsource: e\nentity: [k]\neventTime: ts\nttl: 1h\nfeatures:\n  - { name: spread, aggregate: variance, of: v, window: 1h }\n",
    "x.yaml",
    () => ({ k: "text", ts: "instant", v: "int" }),
  );
  const scales = [1, 1000, 2 ** 31];
  const { rows } = await engine.run({
    statements: [
      {
        sql: `create table events as select k::varchar as k, i as ts, ((hash(i + k) % 2001)::bigint - 1000) * s // 1000 as v
          from range(20000) t(i), (values ${scales.map((scale, at) => `(${at}, ${scale}::bigint)`).join(", ")}) x(k, s)`,
      },
      {
        sql: "create table probes as select row_number() over () as _row, k, 20000 as _at from (select distinct k from events)",
      },
      ...windowStatements({ view: of, events: "events", probes: "probes", probeKeys: ["k"], into: "w" }),
      {
        sql: "select w.spread, e.spread as known from w join probes using (_row) join (select k, var_samp(v) as spread from events group by k) as e using (k) order by k",
        returns: "both",
      },
    ],
    readable: [],
    workFolder: folder,
  });
  expect(rows["both"]).toHaveLength(scales.length);
  for (const { spread, known } of rows["both"] ?? [])
    expect(Number(spread) / Number(known)).toBeCloseTo(1, 12);
});
