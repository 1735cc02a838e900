import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnalysisStatement } from "@portolan/data/contract";
import { createDuckDbEngine } from "@portolan/duckdb";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as Fold from "../src/log/log-record.ts";
import { pointInTimeStatements } from "../src/log/point-in-time-plan.ts";
import { readFeatureView } from "../src/read-view.ts";
import { oracleStatement } from "../src/windows/window-oracle.ts";
import { windowStatements } from "../src/windows/window-plan.ts";
import { edited } from "./faulty-copy.ts";
import { aSchedule, foldedAnswers, naiveAnswers, type Plan, plannedAnswers, together } from "./log-world.ts";

/** Each fault that feature stores are known for is put into our own code: the comparison of log-parity.test.ts must see it. */

const schedule = together(fc.sample(aSchedule, { seed: 7, numRuns: 150 }));
const expected = JSON.stringify(naiveAnswers(schedule));

const withEdit =
  (at: number, ...edits: readonly (readonly [string, string])[]): Plan =>
  (input) =>
    pointInTimeStatements(input).map((statement, index) =>
      index === at ? { ...statement, sql: edits.reduce(edited, statement.sql) } : statement,
    );

const planFaults: Readonly<Record<string, Plan>> = {
  "entity rows without a match are dropped": withEdit(1, ["asof left join", "asof join"]),
  "equal entity rows are merged": (input) => [
    ...withEdit(1, [`create table ${input.into} `, `create table ${input.into}_all `])(input),
    {
      sql: `create table ${input.into} as select * from ${input.into}_all where _row in (select min(_row) from probes group by account, _at)`,
    },
  ],
  "a value that was not available yet is used": (input) =>
    withEdit(1, ["p._at >= l.available", "p._at >= l.event"])(input).map(({ sql, ...statement }) => ({
      ...statement,
      sql: sql.replace("order by available", "order by event").replace("where available", "where event"),
    })),
  "a correction of equal event time is ignored": withEdit(
    0,
    ["max(event) over entity", "coalesce(max(event) over earlier, -1)"],
    ["event = newest", "event > newest"],
    [
      "event, sequence)",
      "event, sequence), earlier as (partition by k0 order by available, event, sequence rows between unbounded preceding and 1 preceding)",
    ],
  ),
  "of equal event time and availability the first wins": withEdit(0, [
    "event, sequence)",
    "event, sequence desc)",
  ]),
  "the newest arrival wins, whatever its event time": withEdit(0, ["event = newest and ", ""]),
  "the ttl is not enforced": withEdit(1, ["> 10 then", "> 1000000 then"]),
  "the ttl ends a microsecond early": withEdit(1, ["> 10 then", ">= 10 then"]),
  "the ttl ends a microsecond late": withEdit(1, ["> 10 then", "> 11 then"]),
  "an event at the very moment does not count": withEdit(1, ["p._at >= l.available", "p._at > l.available"]),
  "an event after the moment counts": withEdit(1, ["p._at >= l.available", "p._at + 1 >= l.available"]),
  "a tombstone hides nothing": withEdit(1, [" or l.tombstone", ""]),
};

/** docs/spec/features.md F23. */
test("every known fault of the offline join is caught, and the plan as it is passes", async () => {
  const names = Object.keys(planFaults);
  const [sound, ...faulty] = await plannedAnswers(
    schedule,
    pointInTimeStatements,
    ...names.map((name) => planFaults[name] ?? pointInTimeStatements),
  );
  expect(JSON.stringify(sound)).toBe(expected);
  const missed = names.filter((_, index) => JSON.stringify(faulty[index]) === expected);
  expect(missed).toEqual([]);
  expect(faulty).toHaveLength(names.length);
});

const foldFaults: Readonly<Record<string, readonly [string, string]>> = {
  "a correction of equal event time is ignored": [
    "one.event - other.event || one.available - other.available || one.sequence - other.sequence",
    "one.event - other.event || other.available - one.available || other.sequence - one.sequence",
  ],
  "an older event that comes later overwrites": ["one.event - other.event || ", ""],
  "the ttl is not enforced": ["at - record.event > ttlMicros", "at - record.event > Infinity"],
  "the ttl ends a microsecond early": ["at - record.event > ttlMicros", "at - record.event >= ttlMicros"],
  "an event at the very moment does not count": ["available <= at", "available < at"],
  "a value that was not available yet is used": [
    "winners.findLast(({ available }) => available <= at)",
    "winners.at(-1)",
  ],
  "a tombstone hides nothing": [" || record.isTombstone", ""],
  "a tombstone removes the entity, and a late record brings it back": [
    "return winners;",
    "return winners.filter((winner) => !winner.isTombstone);",
  ],
  "what is not visible yet replaces what is": ["record.available <= exactFrom", "true"],
};

describe("every known fault of the online fold is caught", () => {
  test.for(Object.entries(foldFaults))("%s", async ([, edit]) => {
    const folder = await mkdtemp(join(tmpdir(), "portolan-fault-"));
    try {
      const source = await readFile(new URL("../src/log/log-record.ts", import.meta.url), "utf8");
      const file = join(folder, "log-record.ts");
      await writeFile(file, edited(source, edit));
      const faulty = createRequire(import.meta.url)(file) as typeof Fold;
      expect(JSON.stringify(foldedAnswers(schedule, -1, faulty))).not.toBe(expected);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("and the fold as it is passes", () => {
    expect(JSON.stringify(foldedAnswers(schedule))).toBe(expected);
  });
});

const windowFaults: Readonly<Record<string, readonly [string, string]>> = {
  "the far edge is rounded to a hop": ["event + 10 as t", "(event // 5) * 5 + 10 as t"],
  "the far edge counts": ["event + 10 as t", "event + 11 as t"],
  "an event at the very moment does not count": ["0 as probe", "2 as probe"],
  "an event counts before it was available": ["available as t", "event as t"],
};

test("every known fault of windows is caught, hops and edges among them", async () => {
  const text = `kind: FeatureView\nname: v\nsource: e\nentity: [k]\neventTime: ts\navailable: ts + lag\nttl: 1h\nfeatures:\n  - { name: n, aggregate: count, window: 1ms }\n`;
  const read = readFeatureView(text, "v.yaml", () => ({ k: "text", ts: "instant", lag: "int" }));
  const view = { ...read, features: read.features.map((feature) => ({ ...feature, windowMicros: 10 })) };
  const input = { view, events: "events", probes: "probes", probeKeys: ["k"], into: "w" };
  const results = [undefined, ...Object.values(windowFaults)].map((edit, index) => {
    const statements = windowStatements({ ...input, into: `w${index}` });
    const apply = ({ sql }: AnalysisStatement, at: number) => ({
      sql: edit && at === 0 ? edited(sql, edit) : sql,
    });
    return [
      ...statements.map(apply),
      {
        sql: `select count(*) filter (w.n is distinct from o.n) as wrong from w${index} as w join o using (_row)`,
        returns: `w${index}`,
      },
    ];
  });
  const workFolder = await mkdtemp(join(tmpdir(), "portolan-fault-"));
  const { rows } = await createDuckDbEngine().run({
    statements: [
      {
        sql: "create table events as select 'a' as k, range as ts, range % 4 as lag from range(0, 40)",
      },
      { sql: "create table probes as select range as _row, range as _at, 'a' as k from range(0, 60)" },
      oracleStatement({ ...input, into: "o" }),
      ...results.flat(),
    ],
    readable: [],
    workFolder,
  });
  const wrong = results.map((_, index) => Number(rows[`w${index}`]?.[0]?.["wrong"]));
  expect(wrong[0]).toBe(0);
  const missed = Object.keys(windowFaults).filter((_, index) => wrong[index + 1] === 0);
  expect(missed).toEqual([]);
});
