import { applyRetentionRound, offerWaiting, publishContract, receiveEvents } from "@portolan/data";
import { asEpochMicros, createLogger, type EpochMicros } from "@portolan/kernel";
import { sql as text } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { type EarlyDeps, EarlyEvents } from "../src/early/early-events.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import { onlineHeader } from "../src/online-header.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import { findView } from "../src/store.ts";
import { publishView } from "../src/views.ts";
import { allowParity, type FeaturesFixture, featuresFixture, readOnline } from "./features-fixture.ts";

/** docs/spec/features.md F53 to F56, end to end: events in over the door, values and windows out before their batch. The tests follow one another. */

const contract = `apiVersion: v3.1.0
kind: DataContract
id: departures
name: departures
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: departures
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }, { property: portolan.maxBadShare, value: 0.5 }]
    properties:
      - { name: flight, logicalType: string, primaryKey: true, required: true }
      - { name: airport, logicalType: string }
      - { name: at, logicalType: timestamp }
      - { name: known, logicalType: timestamp }
      - { name: delay, logicalType: integer }
      - { name: op, logicalType: string }
`;

const viewOf = (name: string, entity: string, rest: string): string => `apiVersion: portolan/v1
kind: FeatureView
name: ${name}
source: departures
entity: [${entity}]
eventTime: at
available: known
tombstone: op = 'D'
ttl: 30d
online: accepted
${rest}`;
const windows = `events: log
features:
  - { name: flights_1h, aggregate: count, window: 1h }
  - { name: worst_1h, aggregate: max, of: delay, window: 1h }
`;
const values = "features: [{ name: delay, value: delay }]\n";

interface Departure {
  readonly flight: string | null;
  readonly airport: string;
  /** Minutes after the first of January. */
  readonly at: number;
  readonly known?: number;
  readonly delay?: number;
  readonly op?: string;
}

const minute = (minutes: number) => asEpochMicros(1_767_225_600_000_000 + minutes * 60_000_000);
const instant = (minutes: number) => new Date(minute(minutes) / 1000).toISOString();
const line = ({ at, known = at, op = "U", ...more }: Departure): string =>
  `${JSON.stringify({ ...more, at: instant(at), known: instant(known), op })}\n`;

let f: FeaturesFixture;
const parity = { environment: "dev", purpose: "parity" } as const;
beforeAll(async () => {
  f = await featuresFixture();
  await publishContract(f.deps, f.call, "departures", { document: contract, references: {} });
  await publishView(f.deps, f.call, "airports", { document: viewOf("airports", "airport", windows) });
  await publishView(f.deps, f.call, "delays", { document: viewOf("delays", "airport", values) });
  const first = line({ flight: "x1", airport: "a", at: 0, delay: 5 });
  const ingestion = await f.ingest("first.jsonl", first, { contract: "departures" });
  expect(ingestion.state).toBe("published");
  const online = ["airports", "delays"].map(async (name) => {
    const started = await startMaterialization(f.deps, f.call, name, { environment: "dev", asOf: minute(1) });
    const done = await waitFor(
      () => readMaterialization(f.deps, f.call, started.id),
      ({ state }) => state === "done" || state === "failed",
    );
    expect(done.failure).toBeUndefined();
  });
  await Promise.all(online);
  await allowParity(f);
  await f.deps.early.look();
});
afterAll(() => f.close());

async function headerOf(name: string) {
  const { organisationId } = f.call.actor;
  const stored = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, name));
  if (!stored) throw new Error("it is not published");
  return onlineHeader({ organisationId, environment: "dev", view: stored.body });
}

async function found(at: number, airport = "a"): Promise<unknown[]> {
  const moment: EpochMicros = minute(at);
  const windowed = (await readOnline(f, await headerOf("airports"), [airport], moment)).values;
  const stated = (await readOnline(f, await headerOf("delays"), [airport], moment)).values;
  return [windowed["flights_1h"]?.value, windowed["worst_1h"]?.value, stated["delay"]?.value];
}

async function post(...departures: readonly Departure[]): Promise<void> {
  await receiveEvents(f.deps, f.call, "departures", {
    environment: "dev",
    body: departures.map(line).join(""),
  });
  await f.deps.early.idle();
}

const clock = () => Number(f.deps.clock.now());

async function waiting(): Promise<number> {
  const found = await f.deps.online.early?.waiting(await headerOf("airports"));
  return found?.length ?? 0;
}

/** Until nothing is early any more. */
async function settled(): Promise<void> {
  await waitFor(
    async () => {
      await f.deps.early.look();
      return waiting();
    },
    (left) => left === 0,
  );
}

async function datasets(): Promise<number> {
  const found = await f.deps.uow.read(f.call, (sql) =>
    text<{ n: unknown }>`select count(*) as n from data.datasets`.execute(
      sql.withTables<Record<never, never>>(),
    ),
  );
  return Number(found.rows[0]?.n);
}

const bad: Departure = { flight: null, airport: "a", at: 8 };

/** How many batches of events have come to an end. */
async function ended(): Promise<number> {
  const found = await f.deps.uow.read(f.call, (sql) =>
    text<{
      n: unknown;
    }>`select count(*) as n from data.event_batches_v1 where finished_at is not null`.execute(
      sql.withTables<Record<never, never>>(),
    ),
  );
  return Number(found.rows[0]?.n);
}

async function outcomes(): Promise<unknown[]> {
  const rows = await f.deps.uow.read(f.call, (sql) =>
    text<{ outcome: string }>`select distinct outcome from features.early_batches order by 1`.execute(
      sql.withTables<Record<never, never>>(),
    ),
  );
  return rows.rows.map(({ outcome }) => outcome);
}

test("an accepted event counts at once, in the version that is known, and goes on counting once when its batch comes", async () => {
  expect(await found(1)).toEqual([1, 5, 5]);
  const before = await datasets();
  await post(
    { flight: "x2", airport: "a", at: 2, delay: 9 },
    { flight: "x3", airport: "a", at: 3, known: 6, delay: 20 },
    // Bad: it has no key, and is no event of the log.
    { flight: null, airport: "a", at: 3, delay: 99 },
  );
  expect(await waiting()).toBe(2);
  expect(await found(1)).toEqual([1, 5, 5]);
  expect(await found(3)).toEqual([2, 9, 9]);
  expect(await found(6)).toEqual([3, 20, 20]);
  const first = clock();
  // A correction of what the log has, at another airport from then on.
  await post({ flight: "x1", airport: "b", at: 0, known: 7, delay: 21 });
  const later = [
    [4, "a", [2, 9, 9]],
    [7, "a", [2, 20, 20]],
    [7, "b", [1, 21, 21]],
  ] as const;
  for (const [at, airport, expected] of later) expect(await found(at, airport)).toEqual(expected);
  const second = clock();
  expect(await datasets()).toBe(before);
  await settled();
  expect(await datasets()).toBeGreaterThan(before);
  for (const [at, airport, expected] of later.slice(1)) expect(await found(at, airport)).toEqual(expected);
  expect(await outcomes()).toEqual(["published"]);
  // Derived again from the log, line by line as its events came in, by the same numbers.
  const served = [
    { key: ["a"], at: minute(6), servedAt: first, windows: "3 20", delay: "20" },
    { key: ["a"], at: minute(7), servedAt: second, windows: "2 20", delay: "20" },
    { key: ["b"], at: minute(7), servedAt: second, windows: "1 21", delay: "21" },
  ];
  const asked = served.map(({ key, at, servedAt }) => ({ key, at, servedAt }));
  const windowed = await replayValues(f.deps, f.call, "airports", { ...parity, rows: asked });
  const stated = await replayValues(f.deps, f.call, "delays", { ...parity, rows: asked });
  expect(windowed.undecided).not.toContain(2);
  for (const [index, { windows: both, delay }] of served.entries()) {
    const derived = windowed.rows[index]?.map(
      ({ values }) => `${values["flights_1h"]} ${values["worst_1h"]}`,
    );
    expect(derived).toContain(both);
    expect(stated.rows[index]?.map(({ values }) => String(values["delay"]))).toContain(delay);
  }
});

test("events of a batch that its gate refuses count until then, and are gone without a trace", async () => {
  const before = await found(20);
  await post(
    { flight: "x8", airport: "a", at: 8, delay: 50 },
    { flight: null, airport: "a", at: 8 },
    { flight: null, airport: "a", at: 8 },
  );
  expect(await found(20)).toEqual([3, 50, 50]);
  const servedAt = clock();
  await settled();
  expect(await found(20)).toEqual(before);
  const rows = [{ key: ["a"], at: minute(20), servedAt }];
  const { undecided } = await replayValues(f.deps, f.call, "delays", { ...parity, rows });
  expect(undecided).toEqual([0]);
  expect(await outcomes()).toEqual(["published", "withdrawn"]);
});

/** As another process would hold it, over the same store. */
function anotherEarly(more: Partial<EarlyDeps> = {}): EarlyEvents {
  const { uow, clock, online } = f.deps;
  const log = createLogger({ name: "test", level: "silent" });
  const offer: EarlyDeps["offer"] = (call, place) => offerWaiting({ ...f.deps, early: other }, call, place);
  const other: EarlyEvents = new EarlyEvents({ uow, clock, log, online, offer, ...more });
  return other;
}

test("who starts anew finds what waits, though it could not be read at first, and an event that was erased while it waited goes", async () => {
  const now = { micros: 0, isReadable: false };
  const clock = { ...f.deps.clock, now: () => asEpochMicros(f.deps.clock.now() + now.micros) };
  const other = anotherEarly({
    clock,
    offer: async (call, place) => {
      if (!now.isReadable) throw new Error("the database does not answer");
      await offerWaiting({ ...f.deps, early: other }, call, place);
    },
  });
  const { early: _, ...unaware } = f.deps;
  const body = line({ flight: "x30", airport: "a", at: 30, delay: 1 });
  await receiveEvents(unaware, f.call, "departures", { environment: "dev", body });
  await other.look();
  await other.idle();
  expect((await found(30))[2]).not.toBe(1);
  now.isReadable = true;
  await other.look();
  await other.idle();
  expect((await found(30))[2]).toBe(1);
  await f.deps.uow.write(f.call, (tx) =>
    text`delete from data.events`.execute(tx.sql.withTables<Record<never, never>>()),
  );
  now.micros = 120_000_000;
  // What cannot be offered keeps nothing from being taken out.
  now.isReadable = false;
  await other.look();
  expect((await found(30))[2]).not.toBe(1);
});

test("a batch waits to be taken out for its events that wait for room", async () => {
  const early = f.deps.online.early;
  if (!early) throw new Error("the store takes no early events");
  const slow = Promise.withResolvers<void>();
  const accept: typeof early.accept = async (...lines) => {
    await slow.promise;
    await early.accept(...lines);
  };
  const other = anotherEarly({
    online: {
      read: (...asked) => f.deps.online.read(...asked),
      foldPosition: (header) => f.deps.online.foldPosition(header),
      early: {
        accept,
        settle: (...gone) => early.settle(...gone),
        waiting: (header) => early.waiting(header),
      },
    } as EarlyDeps["online"],
  });
  await other.look();
  const { organisationId } = f.call.actor;
  const place = { organisationId, contract: "departures", environment: "dev" };
  const values = { flight: "x41", airport: "z", at: minute(41), known: minute(41), delay: 1, op: "U" };
  const large = { acceptedAt: f.deps.clock.now(), bytes: 2 ** 25, rows: [{ accepted: 2 ** 40, values }] };
  await other.take(place, large);
  const departures = [{ flight: "x40", airport: "a", at: 40, delay: 77 }, ...[0, 0].map(() => bad)];
  const body = departures.map(line).join("");
  const posted = receiveEvents({ ...f.deps, early: other }, f.call, "departures", {
    environment: "dev",
    body,
  });
  const before = await ended();
  await waitFor(ended, (now) => now > before);
  await other.look();
  slow.resolve();
  await posted;
  await other.idle();
  await other.look();
  expect((await found(40))[2]).not.toBe(77);
});

test("a flood waits for the writer, and what is held is bounded by its bytes", async () => {
  const { online } = f.deps;
  const { early } = online;
  if (!early) throw new Error("the store has no early values");
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow = {
    ...early,
    accept: async (...of: Parameters<typeof early.accept>) => {
      await held;
      await early.accept(...of);
    },
  };
  const log = createLogger({ name: "test", level: "silent" });
  const offer = () => Promise.resolve();
  const flooded = new EarlyEvents({ ...f.deps, log, online: { ...online, early: slow }, offer });
  await flooded.look();
  const place = { organisationId: f.call.actor.organisationId, contract: "departures", environment: "dev" };
  const at = BigInt(minute(50));
  const request = (accepted: number) => {
    const values = { flight: `y${accepted}`, airport: "c", at, known: at, delay: BigInt(accepted), op: "U" };
    return flooded.take(place, { acceptedAt: 1, bytes: 5 * 2 ** 20, rows: [{ accepted, values }] });
  };
  const taken: number[] = [];
  const all = [1_000_001, 1_000_002, 1_000_003].map(async (accepted) => {
    await request(accepted);
    taken.push(accepted);
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(taken).toEqual([1_000_001]);
  release();
  await Promise.all(all);
  await flooded.idle();
  expect(taken).toEqual([1_000_001, 1_000_002, 1_000_003]);
  expect((await found(50, "c"))[2]).toBe(1_000_003);
});

test("which batches were early is forgotten in time, and of what was served before it is not told", async () => {
  const rows = [{ key: ["a"], at: minute(3), servedAt: clock() + 3_600_000_000 }];
  const days = (count: number) => ({
    ...f.deps.clock,
    now: () => asEpochMicros(f.deps.clock.now() + count * 86_400_000_000),
  });
  const undecided = async (at: FeaturesFixture["deps"]["clock"]) =>
    (await replayValues({ ...f.deps, clock: at }, f.call, "delays", { ...parity, rows })).undecided;
  await anotherEarly({ clock: days(34) }).look();
  expect(await outcomes()).toEqual(["published", "withdrawn"]);
  expect(await undecided(days(34))).toBeUndefined();
  const later = anotherEarly({ clock: days(36) });
  await later.look();
  expect(await outcomes()).toEqual([]);
  expect(await undecided(days(36))).toEqual([0]);
  // What it knows to be settled it does not settle anew.
  await later.look();
  expect(await outcomes()).toEqual([]);
  const { organisationId } = f.call.actor;
  await applyRetentionRound({ ...f.deps, clock: days(8) }, [organisationId]);
  expect(await ended()).toBe(0);
});
