import { afterAll, beforeAll, expect, test } from "vitest";
import { insertEvents } from "../src/events/event-store.ts";
import { createAcceptedHistory } from "../src/index.ts";
import { type DataFixture, dataFixture } from "./data-fixture.ts";

/** Accepted events that wait for their batch are read again, within bounds. */
let f: DataFixture;
beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights((text) => text);
});
afterAll(() => f.close());

const flight = (delay: number, destination = "LAX") =>
  JSON.stringify({ date: "2001-01-01 09:01:00", delay, distance: 500, origin: "BOS", destination });

test("what waits is read page by page, each event once, and no more of it than was asked for, in number and in bytes", async () => {
  const history = createAcceptedHistory(f.deps);
  const place = { organisationId: f.call.actor.organisationId, contract: "flights", environment: "dev" };
  const lines = Array.from({ length: 2500 }, (_, n) => flight(n % 60));
  const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
  const kept = await f.db.uow.write(f.call, (tx) =>
    insertEvents(tx.sql, place, Number(f.deps.clock.now()), lines),
  );
  const waiting = (most: { readonly events: number; readonly bytes: number }) =>
    history.waiting(f.call, place, most);
  const rows = await waiting({ events: 2500, bytes });
  expect(rows?.map(({ accepted }) => accepted)).toEqual("numbers" in kept && kept.numbers);
  expect(await waiting({ events: 2499, bytes })).toBeUndefined();
  expect(await waiting({ events: 2500, bytes: bytes - 1 })).toBeUndefined();
  // Few events may be large.
  await f.db.uow.write(f.call, (tx) =>
    insertEvents(tx.sql, { ...place, environment: "staging" }, 0, [flight(1, "L".repeat(100_000))]),
  );
  const large = { ...place, environment: "staging" };
  expect(await history.waiting(f.call, large, { events: 2500, bytes: 50_000 })).toBeUndefined();
});
