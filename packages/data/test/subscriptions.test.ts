import { createLogger } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TopicPartition, TopicRecord } from "../src/ports.ts";
import { readTopic } from "../src/subscriptions/read-topic.ts";
import {
  findSubscription,
  offsetsOf,
  type StoredSubscription,
  updateSubscription,
} from "../src/subscriptions/subscription-store.ts";
import { readSubscription, subscribe, unsubscribe } from "../src/subscriptions/subscriptions.ts";
import { startOffsets, takeRecords } from "../src/subscriptions/take-records.ts";
import { type DataFixture, dataFixture, waitFor } from "./data-fixture.ts";

/** How far a topic is read is kept with its events: test/services/kafka.test.ts reads a real one. */
let f: DataFixture;
beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights((text) => text.replace("value: 0.01", "value: 0.9"));
  await f.connect("main", {
    kind: "kafka",
    environments: ["dev"],
    brokers: ["localhost:9092"],
    topics: ["flights", "orders.*"],
  });
});
afterAll(() => f.close());

const follow = async (topic: string, startAt: "earliest" | "latest" = "earliest") => {
  const input = { contract: "flights", environment: "dev", connection: "main", topic, startAt } as const;
  const view = await subscribe(f.deps, f.call, input);
  const stored = await f.db.uow.read(f.call, (sql) =>
    findSubscription(sql, f.call.actor.organisationId, view.id),
  );
  if (!stored) throw new Error("it is not stored");
  return stored;
};
const begin = (subscription: StoredSubscription, topicId: string, ...partitions: TopicPartition[]) =>
  f.db.uow.write(f.call, (tx) => startOffsets(tx, subscription, topicId, partitions));
const take = (subscription: StoredSubscription, ...records: TopicRecord[]) =>
  f.db.uow.write(f.call, (tx) =>
    takeRecords(tx, subscription, records, { place: { environment: "dev" }, windowMs: 1000 }),
  );
/** One or more, as the windows fell. */
const settledBatches = async () => {
  const events = () =>
    f.db.database.session((session) => session.query("select seq from data.events limit 1", []));
  await waitFor(events, (left) => left.length === 0);
  const started = (await f.ledger()).filter(({ event }) => event === "data.ingestion.started");
  return Promise.all(started.map(({ subject }) => f.settled(subject)));
};
const partition = (earliest: bigint, next: bigint, number = 0): TopicPartition => ({
  partition: number,
  earliest,
  next,
});
const record = (offset: bigint, text = `{"delay": ${offset}}`, number = 0): TopicRecord => ({
  partition: number,
  offset,
  value: new TextEncoder().encode(text),
});

test("a record that comes again is no event again, and dead letters of a batch say topic, partition and offset (D23)", async () => {
  const subscription = await follow("flights");
  expect(await begin(subscription, "t1", partition(4n, 9n), partition(0n, 0n, 1))).toEqual(
    new Map([
      [0, 4n],
      [1, 0n],
    ]),
  );
  await take(subscription, record(4n), record(5n, "no json"));
  expect(await take(subscription, record(4n), record(5n), record(7n), record(0n, "{}", 1))).toEqual(
    new Map([
      [0, 8n],
      [1, 1n],
    ]),
  );
  await take(subscription, record(6n));
  expect(await readSubscription(f.deps, f.call, subscription.id)).toMatchObject({
    state: "reading",
    taken: 4,
    deadLetters: 1,
    lost: 0,
    partitions: [
      { partition: 0, nextOffset: "8" },
      { partition: 1, nextOffset: "1" },
    ],
  });
  const batches = await settledBatches();
  const sum = (of: "accepted" | "quarantined" | "deadLetters") =>
    batches.reduce((total, { counts }) => total + (counts?.[of] ?? 0), 0);
  expect([sum("accepted"), sum("quarantined"), sum("deadLetters")]).toEqual([0, 3, 1]);
  const dead = await Promise.all(batches.map(({ deadLetters }) => f.rowsOf(deadLetters)));
  expect(dead.flat()).toEqual([{ file: "flights/0", line: "5", error: "it is no JSON", content: "no json" }]);
});

test("what the cluster deleted unread is counted and on the ledger; a topic made anew is not read on", async () => {
  const subscription = await follow("orders.paid", "latest");
  // At the first look only what comes is wanted; a partition that is added later begins at its beginning.
  expect(await begin(subscription, "t2", partition(0n, 10n))).toEqual(new Map([[0, 10n]]));
  expect(await begin(subscription, "t2", partition(15n, 20n), partition(0n, 3n, 1))).toEqual(
    new Map([
      [0, 15n],
      [1, 0n],
    ]),
  );
  expect((await readSubscription(f.deps, f.call, subscription.id)).lost).toBe(5);
  expect(await f.ledger()).toContainEqual(
    expect.objectContaining({ event: "data.subscription.records_lost", subject: subscription.id }),
  );
  for (const [id, there] of [
    ["t3", partition(0n, 30n)],
    ["t2", partition(0n, 2n)],
  ] as const)
    await expect(begin(subscription, id, there)).rejects.toMatchObject({ code: "data.topic_renewed" });
  expect(await f.db.uow.read(f.call, (sql) => offsetsOf(sql, subscription.id))).toEqual(
    new Map([
      [0, 15n],
      [1, 0n],
    ]),
  );
});

test("one topic has one reader in a place; what is stopped takes nothing in, and may begin anew", async () => {
  const one = await follow("orders.sent");
  expect((await follow("orders.sent")).id).toBe(one.id);
  expect((await unsubscribe(f.deps, f.call, one.id)).state).toBe("stopped");
  await expect(take(one, record(0n))).rejects.toMatchObject({ name: "SubscriptionStopped" });
  // Its reader hears of it later than it is so, and may have failed meanwhile.
  await f.db.uow.write(f.call, (tx) =>
    updateSubscription(tx.sql, one.id, { state: "retrying", failures: 1 }),
  );
  expect((await readSubscription(f.deps, f.call, one.id)).state).toBe("stopped");
  expect((await follow("orders.sent")).id).not.toBe(one.id);
  await expect(follow("payments")).rejects.toMatchObject({ code: "data.connection_unusable" });
  expect(f.refusals).toEqual(["main: it does not list the topic payments"]);
});

test("who is disabled has nothing read in their name; the ledger says so once, and once that it is allowed again", async () => {
  const one = await follow("orders.returned");
  const reading = {
    ...f.deps,
    topics: { open: () => Promise.reject(new Error("a refused subscription was read")) },
    rights: { isActive: () => Promise.resolve(false), whyNotHeld: () => Promise.resolve(undefined) },
    log: createLogger({ name: "test", level: "silent" }),
  };
  // Control starts three times: each time it is asked at once, and then only after minutes.
  for (let start = 0; start < 3; start++) {
    const stop = new AbortController();
    const done = readTopic(reading, one, stop.signal);
    await waitFor(
      () => readSubscription(f.deps, f.call, one.id),
      ({ state }) => state === "refused",
    );
    stop.abort();
    await done;
  }
  const { failure } = await readSubscription(f.deps, f.call, one.id);
  expect(failure).toBe("whoever subscribed was disabled, or the API key revoked");
  await begin(one, "t5", partition(0n, 3n));
  await begin(one, "t5", partition(0n, 3n));
  expect((await readSubscription(f.deps, f.call, one.id)).state).toBe("reading");
  const told = (await f.ledger()).filter(({ subject }) => subject === one.id).map(({ event }) => event);
  expect(told).toEqual([
    "data.subscription.started",
    "data.subscription.refused",
    "data.subscription.allowed",
  ]);
});
