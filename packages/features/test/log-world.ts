import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnalysisStatement } from "@portolan/data/contract";
import { createDuckDbEngine } from "@portolan/duckdb";
import fc from "fast-check";
import { type FeatureValue, textCell } from "../src/feature-value.ts";
import * as logRecord from "../src/log/log-record.ts";
import { compareRank, type LogRecord } from "../src/log/log-record.ts";
import { type PointInTimeInput, pointInTimeStatements } from "../src/log/point-in-time-plan.ts";
import { readFeatureView } from "../src/read-view.ts";
import { isValueView, type ValueView } from "../src/view-model.ts";

/** A view of values, schedules of its records, and the three executors of docs/spec/features.md §5 side by side. */

export const ttl = 10;

export function valueView(): ValueView {
  const view = readFeatureView(
    `kind: FeatureView
name: accounts
source: changes
entity: [account]
eventTime: ts
available: known
ttl: 10ms
tombstone: gone
features:
  - { name: balance, value: balance }
  - { name: rating, value: rating }
  - { name: carrier, value: carrier }
`,
    "accounts.yaml",
    () => ({
      account: "text",
      ts: "instant",
      known: "instant",
      gone: "bool",
      balance: "int",
      rating: "float",
      carrier: "text",
    }),
  );
  if (!isValueView(view)) throw new Error("it has no values");
  // Small, so that schedules meet both its ends.
  return { ...view, ttlMicros: ttl };
}

export interface Scheduled extends LogRecord {
  readonly account: string;
}

export interface Probe {
  readonly account: string | null;
  readonly at: number;
}

export interface Answer {
  readonly status: string;
  readonly values: readonly FeatureValue[];
}

/** Records that came in this order, some of them in one batch; probes may be equal to one another. */
export interface Schedule {
  readonly records: readonly Scheduled[];
  readonly probes: readonly Probe[];
  /** After so many records the online writer is killed and starts again. */
  readonly restarts: readonly number[];
}

const account = fc.constantFrom("a", "b", "it's");
/** Few moments: late, repeated and corrected events meet at the same microsecond, at T, and at both ends of the ttl. */
const moment = fc.oneof(fc.integer({ min: 0, max: 24 }), fc.constantFrom(4, 9));
const balance = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(2 ** 53, -(2 ** 53)));
const rating = fc.oneof(
  fc.constantFrom(0.1, -1e-300, 1e300, 5e-324),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
);

/** Empty, two normal forms of one letter, what numbers and nothing look like, what JSON and SQL escape, and letters of four bytes. */
const carrier = fc.oneof(
  fc.constantFrom(
    "",
    "\u00e9",
    "e\u0301",
    "NaN",
    "null",
    "7",
    "it's \"\\",
    "\u0000a\u0000",
    "\u{1f6eb}".repeat(63),
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
);

export const aSchedule: fc.Arbitrary<Schedule> = fc
  .record({
    events: fc.array(
      fc.record({
        account,
        event: moment,
        // Late, skewed into the future, and known at once.
        lag: fc.constantFrom(0, 0, 1, 5, 12),
        isTombstone: fc.constantFrom(false, false, false, true),
        values: fc.tuple(fc.option(balance), fc.option(rating), fc.option(carrier)),
      }),
      { maxLength: 60 },
    ),
    probes: fc.array(
      fc.record({ account: fc.option(account, { freq: 9 }), at: fc.integer({ min: -1, max: 40 }) }),
      {
        minLength: 1,
        maxLength: 40,
      },
    ),
    restarts: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }),
  })
  .map(({ events, probes, restarts }) => ({
    records: events.map(({ lag, event, isTombstone, values, ...one }, index) => ({
      ...one,
      event,
      isTombstone,
      available: event + lag,
      sequence: index + 1,
      values: isTombstone ? [null, null, null] : values,
    })),
    probes,
    restarts,
  }));

/** Many schedules as one, each with entities of its own: an engine's start costs more than all of them. */
export function together(schedules: readonly Schedule[]): Schedule {
  let last = 0;
  const records: Scheduled[] = [];
  const probes: Probe[] = [];
  for (const [index, schedule] of schedules.entries()) {
    const own = (whose: string) => `${index} ${whose}`;
    for (const one of schedule.records)
      records.push({ ...one, account: own(one.account), sequence: (last += 1) });
    for (const { account: whose, at } of schedule.probes)
      probes.push({ account: whose === null ? null : own(whose), at });
  }
  return { records, probes, restarts: schedules.flatMap(({ restarts }) => restarts) };
}

/** The definition in the plainest words, every record against every moment. */
export function naiveAnswers({ records, probes }: Schedule): Answer[] {
  return probes.map(({ account: whose, at }) => {
    let best: Scheduled | undefined;
    for (const one of records) {
      if (one.account !== whose || one.event > at || one.available > at) continue;
      if (!best || compareRank(one, best) > 0) best = one;
    }
    if (!best || best.isTombstone) return nothing("not_found");
    return at - best.event > ttl ? nothing("outside_max_age") : { status: "found", values: best.values };
  });
}

function nothing(status: string): Answer {
  return { status, values: [null, null, null] };
}

/** The fold, with a writer that ends after each of `restarts` and leaves nothing but what it has written. */
export function foldedAnswers(
  { records, probes, restarts }: Schedule,
  exactFrom = -1,
  { foldRecords, recordAt, statusAt }: typeof logRecord = logRecord,
): Answer[] {
  let stored = "{}";
  const ends = [...new Set([...restarts, records.length])].toSorted((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    const state = JSON.parse(stored) as Record<string, LogRecord[]>;
    for (const { account: whose, ...record } of records.slice(from, end))
      state[whose] = foldRecords(state[whose] ?? [], [record], exactFrom);
    from = Math.max(from, end);
    stored = JSON.stringify(state);
  }
  const state = JSON.parse(stored) as Record<string, LogRecord[]>;
  return probes.map(({ account: whose, at }) => {
    const record = recordAt(whose === null ? [] : (state[whose] ?? []), at);
    const status = statusAt(record, at, ttl);
    return status === "found" && record ? { status, values: record.values } : nothing(status);
  });
}

export type Plan = (input: PointInTimeInput) => AnalysisStatement[];

/** What the batch plan says, one answer per probe in their order; `plans` run side by side over the same relations. */
export async function plannedAnswers(
  { records, probes }: Schedule,
  ...plans: readonly Plan[]
): Promise<Answer[][]> {
  const engine = createDuckDbEngine();
  const workFolder = await mkdtemp(join(tmpdir(), "portolan-point-in-time-"));
  const view = valueView();
  const run = plans.length === 0 ? [pointInTimeStatements] : plans;
  const { rows } = await engine.run({
    statements: [
      {
        sql: "create table records (sequence bigint, k0 varchar, event bigint, available bigint, tombstone boolean, v0 bigint, v1 double, v2 varchar)",
      },
      ...insert(
        "records",
        records.map((one) => [
          one.sequence,
          one.account,
          one.event,
          one.available,
          one.isTombstone,
          ...one.values,
        ]),
      ),
      { sql: "create table probes (_row bigint, _at bigint, account varchar)" },
      ...insert(
        "probes",
        probes.map(({ account: whose, at }, row) => [row, at, whose]),
      ),
      ...run.flatMap((plan, index) => [
        ...plan({ view, records: "records", probes: "probes", probeKeys: ["account"], into: `w${index}` }),
        { sql: `select * from w${index} order by _row`, returns: `w${index}` },
      ]),
    ],
    readable: [],
    workFolder,
    threads: 2,
  });
  return run.map((_, index) =>
    (rows[`w${index}`] ?? []).map((row) => ({
      status: String(row["_status"]),
      values: [
        ...[row["balance"], row["rating"]].map((cell) => (cell === null ? null : Number(cell))),
        textCell(row["carrier"]),
      ],
    })),
  );
}

/** By its bytes: a literal of SQL has no U+0000. */
export function textLiteral(text: string): string {
  return `decode(from_hex('${Buffer.from(text).toString("hex")}'))`;
}

function insert(table: string, rows: readonly (readonly unknown[])[]): AnalysisStatement[] {
  if (rows.length === 0) return [];
  const literal = (cell: unknown): string =>
    typeof cell === "string"
      ? textLiteral(cell)
      : typeof cell === "number" && !Number.isInteger(cell)
        ? `'${cell}'::double`
        : String(cell);
  return [
    {
      sql: `insert into ${table} values ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}`,
    },
  ];
}
