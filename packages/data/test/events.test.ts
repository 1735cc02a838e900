import type { Digest } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { claimEvents, countWaiting, insertEvents } from "../src/events/event-store.ts";
import { findFull } from "../src/events/keep-events.ts";
import { eventBatchJob, readQuarantine, receiveEvents } from "../src/index.ts";
import type { IngestionView } from "../src/resources.ts";
import { allowReading, type DataFixture, dataFixture, waitFor } from "./data-fixture.ts";

/** Events that are posted one by one end as a batch, judged there as they were at the door. */
let f: DataFixture;
beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights((text) => text.replace("value: 0.01", "value: 0.9"));
});
afterAll(() => f.close());

const flight = (minute: number, more: object = {}) =>
  JSON.stringify({
    date: `2001-01-01 09:${String(minute).padStart(2, "0")}:00`,
    delay: minute,
    distance: 500,
    origin: "BOS",
    destination: "LAX",
    ...more,
  });
const post = (...lines: string[]) =>
  receiveEvents(f.deps, f.call, "flights", { environment: "dev", body: `${lines.join("\n")}\n` });
const ingestions = async (): Promise<IngestionView[]> => {
  const rows = await f.db.database.session((session) =>
    session.query<{ id: string }>("select id from data.ingestions order by started_at", []),
  );
  return Promise.all(rows.map(({ id }) => f.settled(id)));
};
const waiting = async () =>
  Number(
    (
      await f.db.database.session((session) =>
        session.query<{ n: number | string }>("select count(*) as n from data.events", []),
      )
    )[0]?.n,
  );

test("what the door says of each event is what its batch says, and none is lost or comes twice (D22)", async () => {
  const first = await post(
    flight(1),
    flight(2, { delay: "late" }),
    '{"date": "2001-01-01 09:03:00", "delay": 1,}',
    flight(4, { origin: "ZZZ", extra: { "a\u2028b": [] } }).replace("[]", "[1.50]"),
    "",
    flight(5, { delay: 9_999 }),
    "[1]",
  );
  expect(first).toEqual({
    accepted: 1,
    quarantined: [
      { index: 1, violations: ["delay.type"] },
      { index: 3, violations: ["departed_at.time_zone"] },
      { index: 4, violations: ["delay.maximum"] },
    ],
    deadLetters: [
      { index: 2, error: "it is no JSON" },
      { index: 5, error: "it is no JSON object" },
    ],
  });
  const many = await Promise.all(Array.from({ length: 20 }, (_, n) => post(flight(10 + n), flight(30 + n))));
  expect(many.every(({ accepted }) => accepted === 2)).toBe(true);
  await waitFor(waiting, (left) => left === 0);
  const batches = await ingestions();
  const sum = (of: "accepted" | "quarantined" | "deadLetters") =>
    batches.reduce((total, { counts }) => total + (counts?.[of] ?? 0), 0);
  expect([sum("accepted"), sum("quarantined"), sum("deadLetters")]).toEqual([41, 3, 2]);
  const [batch] = batches;
  await allowReading(f, "mending");
  const kept = await readQuarantine(f.deps, f.call, batch?.id ?? "", { limit: 10, purpose: "mending" });
  expect(kept.rows.map(({ violations }) => violations)).toEqual(
    first.quarantined.map(({ violations }) => violations),
  );
  const source = await f.deps.objects.get(batch?.sources[0]?.object as Digest);
  expect(new TextDecoder().decode(source)).toContain("1.50");
});

test("an event from the future is kept out by name, at the door as in its batch; a little ahead is nothing (D25)", async () => {
  const at = (aheadMs: number): string =>
    new Date(f.db.clock.now() / 1000 + aheadMs).toISOString().slice(0, 19).replace("T", " ");
  // Wall clocks of Boston, five hours behind UTC in winter and four in summer: twelve hours ahead is the future in both.
  const judged = await post(
    flight(1, { date: at(12 * 3_600_000) }),
    flight(2, { date: at(-12 * 3_600_000) }),
  );
  expect(judged).toMatchObject({
    accepted: 1,
    quarantined: [{ index: 0, violations: ["departed_at.future"] }],
  });
  await waitFor(waiting, (left) => left === 0);
  const batch = (await ingestions()).at(-1);
  expect(batch).toMatchObject({
    counts: { accepted: 1, quarantined: 1 },
    rules: { "departed_at.future": 1 },
  });
});

test("who may not ingest posts nothing, and a contract that is not there takes nothing", async () => {
  await expect(
    receiveEvents(f.deps, f.call, "nothing", { environment: "dev", body: "{}" }),
  ).rejects.toMatchObject({ code: "data.contract_not_found" });
  expect(await post("", " ")).toEqual({ accepted: 0, quarantined: [], deadLetters: [] });
  expect(await waiting()).toBe(0);
});

test("events that a job claimed and could not make a batch of wait for the next (D22)", async () => {
  const before = (await ingestions()).length;
  await post(flight(50), flight(51));
  const [event] = await f.db.database.session((session) =>
    session.query<{ organisation_id: string }>("select organisation_id from data.events", []),
  );
  const payload = { contract: "flights", environment: "dev", window: 7 };
  await f.db.uow.write(f.call, async (tx) => {
    const place = { organisationId: event?.organisation_id ?? "", contract: "flights", environment: "dev" };
    const batch = `${place.organisationId}:flights:dev::7.0`;
    const bytes = (...lines: string[]) => lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    const both = { events: 2, bytes: bytes(flight(50), flight(51)) };
    expect(await countWaiting(tx.sql, place)).toEqual(both);
    // However large it is, one event is a batch.
    const most = { events: 10, bytes: 1 };
    expect(await claimEvents(tx.sql, place, { batch, receivedBefore: tx.now + 1, most })).toBe(1);
    expect(await countWaiting(tx.sql, place)).toEqual({ events: 1, bytes: bytes(flight(51)) });
    await eventBatchJob(f.deps).abandoned?.(tx, { payload, state: "failed", reason: "no disk" });
    expect(await countWaiting(tx.sql, place)).toEqual(both);
  });
  await waitFor(waiting, (left) => left === 0);
  expect((await ingestions()).length).toBe(before + 1);
});

test("a batch leaves the events of later windows, which were judged as of a later instant (D22, D25)", async () => {
  const place = { organisationId: f.call.actor.organisationId, contract: "flights", environment: "dev" };
  const later = f.db.clock.now() + 3_600_000_000;
  await f.db.uow.write(f.call, (tx) => insertEvents(tx.sql, place, later, [flight(51)]));
  await post(flight(52));
  await waitFor(waiting, (left) => left === 1);
  expect((await ingestions()).at(-1)?.counts).toMatchObject({ accepted: 1, quarantined: 0 });
  expect(await waiting()).toBe(1);
});

test("few events that are large fill a place as many small ones do", async () => {
  const place = { organisationId: f.call.actor.organisationId, contract: "flights", environment: "dev" };
  expect(await f.db.uow.read(f.call, (sql) => findFull(sql, place))).toBeUndefined();
  const set = (bytes: number) =>
    f.db.database.session((session) =>
      session.query("update data.waiting_events set bytes = bytes + $1 where slot = 8", [bytes]),
    );
  await set(2 ** 30);
  await expect(post(flight(53))).rejects.toMatchObject({
    code: "data.too_many_events",
    detail: expect.stringMatching(/^\d events of 1024 MiB under flights wait/),
  });
  await set(-(2 ** 30));
  expect(await post(flight(53))).toMatchObject({ accepted: 1 });
});
