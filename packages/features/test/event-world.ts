import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnalysisRow, AnalysisStatement } from "@portolan/data/contract";
import { createDuckDbEngine } from "@portolan/duckdb";
import fc from "fast-check";
import * as entityWindows from "../src/events/entity-windows.ts";
import {
  type EntityRecent,
  type EntityRows,
  type EntitySummary,
  foldEntity,
  type KeptEvent,
} from "../src/events/entity-windows.ts";
import { eventFoldPage, eventFoldStatements, onlineEvent } from "../src/events/event-fold-plan.ts";
import type { WindowShape } from "../src/events/event-record.ts";
import { eventSegmentStatements } from "../src/events/event-segment-plan.ts";
import { windowLogOracle, windowLogStatements } from "../src/events/window-log-plan.ts";
import { windowShape } from "../src/events/window-shape.ts";
import { segmentsRelation } from "../src/log/log-sql.ts";
import { readFeatureView } from "../src/read-view.ts";
import { type EventView, isEventView } from "../src/view-model.ts";

/** A view of windows over a log, deliveries of its events, and its executors side by side: docs/spec/features.md §7. */

export const short = 10;
export const long = 60;

export function eventView(primaryKey: readonly string[] = ["id"]): EventView {
  const view = readFeatureView(
    `kind: FeatureView
name: stations
source: readings
entity: [station]
eventTime: ts
available: known
events: log
ttl: 1h
${primaryKey.length > 0 ? "tombstone: gone" : ""}
features:
  - { name: n_short, aggregate: count, window: 10ms }
  - { name: n_long, aggregate: count, window: 60ms }
  - { name: n_high, aggregate: count, where: v > 1, window: 60ms }
  - { name: total, aggregate: sum, of: v, window: 10ms }
  - { name: mean_long, aggregate: mean, of: v, window: 60ms }
  - { name: spread, aggregate: variance, of: v, window: 60ms }
  - { name: least, aggregate: min, of: v, window: 10ms }
  - { name: most, aggregate: max, of: f, window: 60ms }
  - { name: newest, aggregate: last, of: f, window: 60ms }
  - { name: newest_short, aggregate: last, of: v, window: 10ms }
  - { name: lasts, aggregate: last_k, of: f, k: 3, window: 60ms }
  - { name: lasts_short, aggregate: last_k, of: v, k: 2, window: 10ms }
  - { name: paid, aggregate: sum, of: f, window: 60ms }
  - { name: paid_mean, aggregate: mean, of: f, window: 10ms }
  - { name: kinds, aggregate: distinct, of: c, limit: 2, window: 60ms }
  - { name: sizes, aggregate: distinct, of: v, limit: 100, window: 10ms }
`,
    "stations.yaml",
    () => ({
      id: "text",
      station: "text",
      ts: "instant",
      known: "instant",
      gone: "bool",
      v: "int",
      f: "float",
      c: "text",
    }),
    () => primaryKey,
    () => ({ f: 1 }),
  );
  if (!isEventView(view)) throw new Error("its events are in no log");
  // Microseconds in place of milliseconds: schedules meet both edges of each window.
  return {
    ...view,
    features: view.features.map((one) => ({ ...one, windowMicros: one.windowMicros / 1000 })),
  };
}

/** Tiles of several moments, so that windows begin and end within them. */
export function eventShape(view: EventView): WindowShape {
  return { ...windowShape(view), tileMicros: 7 };
}

export interface Reading {
  readonly id: string;
  readonly station: string | null;
  readonly ts: number;
  readonly known: number;
  readonly gone: boolean;
  readonly v: bigint | null;
  readonly f: number | null;
  readonly c: string | null;
}

export interface Delivery {
  /** Datasets in the order in which the log takes them in. */
  readonly batches: readonly (readonly Reading[])[];
  readonly probes: readonly { readonly station: string | null; readonly at: number }[];
}

const station = fc.constantFrom("a", "b", "it's");
const wide = 2n ** 62n;
const whole = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -3, max: 3 }).map(BigInt) },
  { weight: 1, arbitrary: fc.constantFrom(2n ** 53n + 1n, wide, -wide, -(2n ** 63n), 2n ** 31n) },
);

export const aReading: fc.Arbitrary<Reading> = fc
  .record({
    // Few of them: most rows correct one that came before, at another time, of another station, or withdraw it.
    id: fc.integer({ min: 0, max: 9 }).map(String),
    station: fc.option(station, { freq: 15 }),
    ts: fc.oneof(fc.integer({ min: 0, max: 99 }), fc.constantFrom(40, 50, 51)),
    lag: fc.constantFrom(0, 0, 0, 1, 9, 10, 30, 80, -5),
    gone: fc.constantFrom(false, false, false, false, true),
    v: fc.option(whole, { freq: 6 }),
    f: fc.option(fc.constantFrom(0, 0.1, -0.3, 1e300, -5e-324), { freq: 6 }),
    c: fc.option(fc.constantFrom("a", "b", "c", "A", ""), { freq: 6 }),
  })
  .map(({ lag, ...one }) => ({ ...one, known: one.ts + lag }));

export const aDelivery: fc.Arbitrary<Delivery> = fc.record({
  batches: fc.array(fc.array(aReading, { maxLength: 12 }), { minLength: 4, maxLength: 4 }),
  probes: fc.array(
    fc.record({ station: fc.option(station, { freq: 12 }), at: fc.integer({ min: -1, max: 170 }) }),
    {
      minLength: 1,
      maxLength: 25,
    },
  ),
});

/** Many deliveries as one, each with stations and events of its own. */
export function together(deliveries: readonly Delivery[]): Delivery {
  const own = (index: number, text: string): string => `${index} ${text}`;
  const named = deliveries.map(({ batches, probes }, index) => ({
    batches: batches.map((rows) =>
      rows.map((row) => ({
        ...row,
        id: own(index, row.id),
        station: row.station === null ? null : own(index, row.station),
      })),
    ),
    probes: probes.map(({ station: whose, at }) => ({
      station: whose === null ? null : own(index, whose),
      at,
    })),
  }));
  return {
    batches: [0, 1, 2, 3].map((batch) => named.flatMap(({ batches }) => batches[batch] ?? [])),
    probes: named.flatMap(({ probes }) => probes),
  };
}

export type Values = readonly (number | null)[];

/** The definition in the plainest words: of each event the version known last, then every event against every moment. */
export function naiveValues({ batches, probes }: Delivery, upTo = batches.length): Values[] {
  const rows = batches.slice(0, upTo).flat();
  const versions = rows
    .map((row, sequence) => ({ ...row, sequence, available: Math.max(row.ts, row.known) }))
    .filter((row) => row.gone || row.station !== null);
  const byId = Map.groupBy(versions, ({ id }) => id);
  return probes.map(({ station: whose, at }) => {
    const events = [...byId.values()].flatMap((of) => {
      const [best] = of
        .filter(({ available }) => available <= at)
        .toSorted((one, other) => other.available - one.available || other.sequence - one.sequence);
      return best && !best.gone && best.station === whose ? [best] : [];
    });
    const within = (window: number) => events.filter(({ ts }) => ts > at - window && ts <= at);
    const [few, many] = [within(short), within(long)];
    const whole = (of: typeof events) => of.flatMap(({ v }) => (v === null ? [] : [v]));
    // The smallest integer takes no part in sums (F5).
    const summed = (of: typeof events) => whole(of).filter((v) => v !== -(2n ** 63n));
    const sum = (values: readonly bigint[]) => values.reduce((all, v) => all + v, 0n);
    const fits = (value: bigint) => BigInt.asIntN(64, value) === value;
    const [shortSum, longSum] = [summed(few), summed(many)];
    const newest = <Of>(of: typeof events, value: (one: (typeof events)[number]) => Of | null, nth = 1) => {
      const best = of
        .filter((one) => value(one) !== null)
        .toSorted(
          (one, other) =>
            other.ts - one.ts ||
            other.available - one.available ||
            Number((value(other) ?? 0) > (value(one) ?? 0)) - Number((value(other) ?? 0) < (value(one) ?? 0)),
        )
        .at(nth - 1);
      return best ? Number(value(best)) : null;
    };
    const floats = many.flatMap(({ f }) => (f === null ? [] : [f]));
    const texts = new Set(many.flatMap(({ c }) => (c === null ? [] : [c])));
    return [
      few.length,
      many.length,
      whole(many).filter((v) => v > 1n).length,
      shortSum.length > 0 && fits(sum(shortSum)) ? Number(sum(shortSum)) : null,
      longSum.length > 0 && fits(sum(longSum)) ? Number(sum(longSum)) / longSum.length : null,
      variance(longSum),
      whole(few).length === 0 ? null : Number(whole(few).reduce((a, b) => (b < a ? b : a))),
      floats.length === 0 ? null : Math.max(...floats),
      newest(many, ({ f }) => f),
      newest(few, ({ v }) => v),
      ...[1, 2, 3].map((nth) => newest(many, ({ f }) => f, nth)),
      ...[1, 2].map((nth) => newest(few, ({ v }) => v, nth)),
      scaledSum(floats),
      scaledSum(
        few.flatMap(({ f }) => (f === null ? [] : [f])),
        true,
      ),
      Math.min(texts.size, 2),
      new Set(whole(few)).size,
    ];
  });
}

/** As F64 says, of one digit after the point: what is beyond 64 bits of tenths takes no part. */
function scaledSum(values: readonly number[], isMean = false): number | null {
  const tenths = values
    .map((value) => Math.floor(value * 10 + 0.5))
    .filter((value) => Math.abs(value) < 2 ** 63)
    .map(BigInt);
  const sum = tenths.reduce((all, value) => all + value, 0n);
  if (tenths.length === 0 || BigInt.asIntN(64, sum) !== sum) return null;
  return Number(sum) / (isMean ? tenths.length * 10 : 10);
}

/** As F26 says, in its own words. */
function variance(values: readonly bigint[]): number | null {
  const n = BigInt(values.length);
  if (n < 2n || values.some((v) => v > 2n ** 31n || v < -(2n ** 31n))) return null;
  const top = n * values.reduce((all, v) => all + v * v, 0n) - values.reduce((all, v) => all + v, 0n) ** 2n;
  return (Number(top / 2n ** 62n) * 2 ** 62 + Number(top % 2n ** 62n)) / Number(n * (n - 1n));
}

/** A log in a folder: its segments are written by the plan, batch by batch. */
export interface EventLog {
  readonly paths: readonly string[];
  /** Sequence of the last line of each segment. */
  readonly ends: readonly number[];
  run(statements: readonly AnalysisStatement[]): Promise<Readonly<Record<string, readonly AnalysisRow[]>>>;
  close(): Promise<void>;
}

export async function writeLog(
  view: EventView,
  batches: readonly (readonly Reading[])[],
  probes: Delivery["probes"] = [],
): Promise<EventLog> {
  const engine = createDuckDbEngine();
  const folder = await mkdtemp(join(tmpdir(), "portolan-events-"));
  const dataset = (index: number): string => join(folder, `batch-${index}.parquet`);
  const paths: string[] = [];
  const run = async (statements: readonly AnalysisStatement[]) =>
    (await engine.run({ statements, readable: [], workFolder: folder, threads: 2 })).rows;
  await run([
    ...batches.flatMap((rows, index) => [
      {
        sql: `create table b${index} (_row bigint, id varchar, station varchar, ts bigint, known bigint, gone boolean, v bigint, f double, c varchar)`,
      },
      ...insert(
        `b${index}`,
        rows.map((row, at) => [at, row.id, row.station, row.ts, row.known, row.gone, row.v, row.f, row.c]),
      ),
      { sql: `copy b${index} to '${dataset(index)}' (format parquet)` },
    ]),
    { sql: "create table probes (_row bigint, _at bigint, station varchar)" },
    ...insert(
      "probes",
      probes.map(({ station: whose, at }, row) => [row, at, whose]),
    ),
    { sql: `copy probes to '${join(folder, "probes.parquet")}' (format parquet)` },
  ]);
  const ends: number[] = [];
  for (const index of batches.keys()) {
    const output = join(folder, `segment-${index}.parquet`);
    const lastSequence = ends.at(-1) ?? 0;
    const plan = { view, dataset: dataset(index), segments: paths, lastSequence, isOlder: false, output };
    const { counts } = await run(eventSegmentStatements(plan));
    paths.push(output);
    ends.push(lastSequence + Number(counts?.[0]?.["records"]));
  }
  return {
    paths,
    ends,
    run: (statements) =>
      run([
        { sql: `create table probes as select * from read_parquet('${join(folder, "probes.parquet")}')` },
        ...statements,
      ]),
    close: () => rm(folder, { recursive: true }),
  };
}

/** What the batch plan and its definition say of each probe, by what the log held after so many batches. */
export async function plannedValues(
  view: EventView,
  log: EventLog,
  upTo: number,
  ...plans: readonly EventPlan[]
): Promise<Values[][]> {
  const records = `(select * from ${segmentsRelation(log.paths)} where sequence <= ${log.ends[upTo - 1]})`;
  const input = { view, records, probes: "probes", probeKeys: ["station"] };
  const run = plans.length === 0 ? [windowLogStatements, windowLogOracle] : plans;
  const rows = await log.run(
    run.flatMap((plan, index) => [
      ...plan({ ...input, into: `w${index}` }),
      { sql: `select * from w${index} order by _row`, returns: `w${index}` },
    ]),
  );
  return run.map((_, index) =>
    (rows[`w${index}`] ?? []).map((row) =>
      view.features.map(({ name }) => (row[name] === null ? null : Number(row[name]))),
    ),
  );
}

export type EventPlan = typeof windowLogStatements;

/** An online store that keeps text alone, as a disk does: what is not written is lost with the process. */
export class TextStore {
  readonly rows = new Map<string, string>();

  of(key: readonly string[]): EntityRows {
    const entity = JSON.stringify(key);
    const read = <Of>(row: string): Of | undefined => {
      const text = this.rows.get(`${entity} ${row}`);
      return text === undefined ? undefined : (JSON.parse(text) as Of);
    };
    const put = (row: string, value: unknown): void =>
      void this.rows.set(`${entity} ${row}`, JSON.stringify(value));
    return {
      summary: () => read<EntitySummary>("summary"),
      recent: () => read<EntityRecent>("recent"),
      tile: (number) => read<KeptEvent[]>(`tile ${number}`) ?? [],
      putSummary: (summary) => put("summary", summary),
      putRecent: (recent) => put("recent", recent),
      putTile: (number, events) => put(`tile ${number}`, events),
      removeTile: (number) => void this.rows.delete(`${entity} tile ${number}`),
    };
  }

  /** Folds what a log has between two positions, entity by entity. */
  async fold(view: EventView, log: EventLog, after: number, upTo: number, exactFrom: number): Promise<void> {
    const output = join(log.paths[0] ?? "", "..", `news-${after}-${upTo}-${exactFrom}.parquet`);
    const { page = [] } = await log.run([
      ...eventFoldStatements({ view, segments: log.paths, after, exactFrom, newestUntil: 2 ** 52, output }),
      eventFoldPage(view, output, 0, 1_000_000),
    ]);
    const lines = page.map((row) => onlineEvent(view, row)).filter(({ record }) => record.sequence <= upTo);
    for (const [key, of] of Map.groupBy(lines, ({ key: whose }) => JSON.stringify(whose)))
      foldEntity(
        eventShape(view),
        this.of(JSON.parse(key) as string[]),
        of.map(({ record }) => record),
        exactFrom,
      );
  }

  valuesAt(
    view: EventView,
    probes: Delivery["probes"],
    { entityWindowsAt: valuesOf }: Pick<typeof entityWindows, "entityWindowsAt"> = entityWindows,
  ): (number | null | undefined)[][] {
    return probes.map(({ station: whose, at }) => valuesOf(eventShape(view), this.of([whose ?? ""]), at));
  }
}

function insert(table: string, rows: readonly (readonly unknown[])[]): AnalysisStatement[] {
  if (rows.length === 0) return [];
  const literal = (cell: unknown): string => {
    if (typeof cell === "string") return `'${cell.replaceAll("'", "''")}'`;
    if (typeof cell === "number" && !Number.isInteger(cell)) return `'${cell}'::double`;
    return cell === -(2n ** 63n) ? "(-9223372036854775807 - 1)" : String(cell);
  };
  return [
    {
      sql: `insert into ${table} values ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}`,
    },
  ];
}
