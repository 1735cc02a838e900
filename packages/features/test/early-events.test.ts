import { applyRetentionRound, offerWaiting } from "@portolan/data";
import { asEpochMicros, createLogger } from "@portolan/kernel";
import { sql as text } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { type EarlyDeps, EarlyEvents } from "../src/early/early-events.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import { bad, type EarlyDoor, minute, openDoor } from "./early-door.ts";
import { allowParity, type FeaturesFixture } from "./features-fixture.ts";

/** docs/spec/features.md F53 to F56, end to end: events in over the door, values and windows out before their batch. The tests follow one another. */

let door: EarlyDoor;
let f: FeaturesFixture;
const parity = { environment: "dev", purpose: "parity" } as const;
beforeAll(async () => {
  door = await openDoor();
  f = door.f;
  await allowParity(f);
});
afterAll(() => f.close());

const clock = () => Number(f.deps.clock.now());

async function datasets(): Promise<number> {
  const found = await f.deps.uow.read(f.call, (sql) =>
    text<{ n: unknown }>`select count(*) as n from data.datasets`.execute(
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
  expect(await door.found(1)).toEqual([1, 5, 5]);
  const before = await datasets();
  await door.post([
    { flight: "x2", airport: "a", at: 2, delay: 9 },
    { flight: "x3", airport: "a", at: 3, known: 6, delay: 20 },
    // Bad: it has no key, and is no event of the log.
    { flight: null, airport: "a", at: 3, delay: 99 },
  ]);
  expect(await door.waiting()).toBe(2);
  expect(await door.found(1)).toEqual([1, 5, 5]);
  expect(await door.found(3)).toEqual([2, 9, 9]);
  expect(await door.found(6)).toEqual([3, 20, 20]);
  const first = clock();
  // A correction of what the log has, at another airport from then on.
  await door.post([{ flight: "x1", airport: "b", at: 0, known: 7, delay: 21 }]);
  const later = [
    [4, "a", [2, 9, 9]],
    [7, "a", [2, 20, 20]],
    [7, "b", [1, 21, 21]],
  ] as const;
  for (const [at, airport, expected] of later) expect(await door.found(at, airport)).toEqual(expected);
  const second = clock();
  expect(await datasets()).toBe(before);
  await door.settled();
  expect(await datasets()).toBeGreaterThan(before);
  for (const [at, airport, expected] of later.slice(1))
    expect(await door.found(at, airport)).toEqual(expected);
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
  expect([windowed.undecided, stated.undecided]).toEqual([undefined, undefined]);
  for (const [index, { windows: both, delay }] of served.entries()) {
    const derived = windowed.rows[index]?.map(
      ({ values }) => `${values["flights_1h"]} ${values["worst_1h"]}`,
    );
    expect(derived).toContain(both);
    expect(stated.rows[index]?.map(({ values }) => String(values["delay"]))).toContain(delay);
  }
});

test("events of a batch that its gate refuses count until then, and are gone without a trace", async () => {
  const before = await door.found(20);
  await door.post([
    { flight: "x8", airport: "a", at: 8, delay: 50 },
    { flight: null, airport: "a", at: 8 },
    { flight: null, airport: "a", at: 8 },
  ]);
  expect(await door.found(20)).toEqual([3, 50, 50]);
  const servedAt = clock();
  await door.settled();
  expect(await door.found(20)).toEqual(before);
  const rows = [{ key: ["a"], at: minute(20), servedAt }];
  const { undecided, rows: derived } = await replayValues(f.deps, f.call, "delays", { ...parity, rows });
  // Its source has what was accepted, and it is compared as well.
  expect(undecided).toBeUndefined();
  expect(derived[0]?.map(({ values }) => values["delay"])).toContain(50);
  expect(await outcomes()).toEqual(["published", "withdrawn"]);
});

test("who starts anew finds what waits, though it could not be read at first, and an event that was erased while it waited goes", async () => {
  const now = { micros: 0, isReadable: false };
  const clock = { ...f.deps.clock, now: () => asEpochMicros(f.deps.clock.now() + now.micros) };
  const other = door.anotherEarly({
    clock,
    offer: async (call, place) => {
      if (!now.isReadable) throw new Error("the database does not answer");
      await offerWaiting({ ...f.deps, early: other }, call, place);
    },
  });
  await door.post([{ flight: "x30", airport: "a", at: 30, delay: 1 }], null);
  await other.look();
  await other.idle();
  expect((await door.found(30))[2]).not.toBe(1);
  now.isReadable = true;
  await other.look();
  await other.idle();
  expect((await door.found(30))[2]).toBe(1);
  await f.deps.uow.write(f.call, (tx) =>
    text`delete from data.events`.execute(tx.sql.withTables<Record<never, never>>()),
  );
  now.micros = 120_000_000;
  // What cannot be offered keeps nothing from being taken out.
  now.isReadable = false;
  await other.look();
  expect((await door.found(30))[2]).not.toBe(1);
});

test("a batch waits to be taken out for its events that wait for room", async () => {
  const early = f.deps.online.early;
  if (!early) throw new Error("the store takes no early events");
  const slow = Promise.withResolvers<void>();
  const accept: typeof early.accept = async (...lines) => {
    await slow.promise;
    await early.accept(...lines);
  };
  const other = door.anotherEarly({
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
  const posted = door.post([{ flight: "x40", airport: "a", at: 40, delay: 77 }, bad, bad], other);
  const before = await door.ended();
  await waitFor(door.ended, (now) => now > before);
  await other.look();
  slow.resolve();
  await posted;
  await other.idle();
  await other.look();
  expect((await door.found(40))[2]).not.toBe(77);
});

test("a flood waits for the writer, and what is held is bounded by its bytes", async () => {
  const { online } = f.deps;
  const { early } = online;
  if (!early) throw new Error("the store has no early values");
  /** Numbers of events as they are written, to each of the two views. */
  const brought: number[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow = {
    ...early,
    accept: async (...of: Parameters<typeof early.accept>) => {
      await held;
      brought.push(...of[2].map(({ accepted }) => accepted));
      await early.accept(...of);
    },
  };
  const log = createLogger({ name: "test", level: "silent" });
  const offer = () => Promise.resolve();
  const flooded = new EarlyEvents({ ...f.deps, log, online: { ...online, early: slow }, offer });
  await flooded.look();
  const place = { organisationId: f.call.actor.organisationId, contract: "departures", environment: "dev" };
  const at = BigInt(minute(50));
  const request = (accepted: number, mebibytes: number) => {
    const values = { flight: `y${accepted}`, airport: "c", at, known: at, delay: BigInt(accepted), op: "U" };
    return flooded.take(place, { acceptedAt: 1, bytes: mebibytes * 2 ** 20, rows: [{ accepted, values }] });
  };
  const taken: number[] = [];
  // The last one would fit beside the first, which is being written, and comes after the second all the same.
  const sizes = [5, 5, 5, 1] as const;
  const all = sizes.map(async (mebibytes, index) => {
    const accepted = 1_000_001 + index;
    await request(accepted, mebibytes);
    taken.push(accepted);
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([taken, brought]).toEqual([[1_000_001], []]);
  release();
  await Promise.all(all);
  await flooded.idle();
  expect(taken).toEqual([1_000_001, 1_000_002, 1_000_003, 1_000_004]);
  expect([...new Set(brought)]).toEqual(taken);
  expect((await door.found(50, "c"))[2]).toBe(1_000_004);
});

test("which batches were early is forgotten in time, and of what was served before it is not told", async () => {
  const rows = [{ key: ["a"], at: minute(3), servedAt: clock() + 3_600_000_000 }];
  const days = (count: number) => ({
    ...f.deps.clock,
    now: () => asEpochMicros(f.deps.clock.now() + count * 86_400_000_000),
  });
  const derived = (at: FeaturesFixture["deps"]["clock"]) =>
    replayValues({ ...f.deps, clock: at }, f.call, "delays", { ...parity, rows });
  await door.anotherEarly({ clock: days(34) }).look();
  expect(await outcomes()).toEqual(["published", "withdrawn"]);
  expect((await derived(days(34))).undecided).toBeUndefined();
  const later = door.anotherEarly({ clock: days(36) });
  await later.look();
  expect(await outcomes()).toEqual([]);
  expect(await derived(days(36))).toMatchObject({
    undecided: [0],
    undecidedReasons: [{ row: 0, reason: "forgotten" }],
  });
  // What it knows to be settled it does not settle anew.
  await later.look();
  expect(await outcomes()).toEqual([]);
  const { organisationId } = f.call.actor;
  await applyRetentionRound({ ...f.deps, clock: days(8) }, [organisationId]);
  expect(await door.ended()).toBe(0);
});
