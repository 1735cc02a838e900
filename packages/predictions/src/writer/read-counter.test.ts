import { asEpochMicros } from "@portolan/kernel";
import { expect, test } from "vitest";
import type { FeatureRead, PredictionContext } from "../contract.ts";
import { ReadCounter } from "./read-counter.ts";

const context: PredictionContext = {
  organisationId: "org_a",
  useCaseId: "uc_a",
  endpoint: "churn",
  environment: "production",
  variant: "champion",
  snapshotVersion: 1,
  costTags: {},
};
const read = (more: Partial<FeatureRead> = {}): FeatureRead => ({
  context,
  principal: "sa_a",
  requestId: "req_1",
  receivedAt: asEpochMicros(1),
  purpose: "care",
  views: ["accounts@1"],
  entities: 2,
  ...more,
});

const written = () => Promise.resolve();
const never = () => Promise.reject(new Error("it is announced again"));

/** A record that is on its way until the test lets it end. */
function heldRecord() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { write: () => promise, resolve, reject };
}

test("the first of its kind is announced, those after it are counted until they are drained", async () => {
  const counter = new ReadCounter(10);
  const first = read();
  await counter.note(first, written);
  expect(counter.drain()).toEqual([]);
  await counter.note(first, written);
  const more = [read({ entities: 5, receivedAt: asEpochMicros(9) }), read({ entities: 1 })];
  expect(more.map((one) => counter.note(one, never))).toEqual([undefined, undefined]);
  expect(counter.drain()).toEqual([{ read: first, requests: 2, entities: 6, until: 9 }]);
  expect(counter.drain()).toEqual([]);
});

test("another caller, purpose, place or set of views is another kind; another snapshot of the same place is none", async () => {
  const counter = new ReadCounter(10);
  const others = [
    read(),
    read({ principal: "sa_b" }),
    read({ purpose: "research" }),
    read({ purpose: "" }),
    read({ context: { ...context, environment: "dev" } }),
    read({ context: { ...context, endpoint: "other" } }),
    read({ views: ["accounts@1", "visits@1"] }),
  ];
  const { purpose: _, ...without } = read();
  let announced = 0;
  const write = async () => {
    announced++;
  };
  for (const one of [...others, without]) await counter.note(one, write);
  expect(announced).toBe(8);
  const other = read({ context: { ...context, snapshotVersion: 2 } });
  expect(counter.note(other, never)).toBeUndefined();
  expect(counter.isFull).toBe(false);
  await counter.note(read({ principal: "sa_c" }), written);
  await counter.note(read({ principal: "sa_d" }), written);
  expect(counter.isFull).toBe(true);
});

test("while the first is being written those after it wait, and none waits once it is", async () => {
  const counter = new ReadCounter(10);
  const record = heldRecord();
  const first = read();
  let answered = 0;
  const reads = [counter.note(first, record.write), counter.note(read(), never), counter.note(read(), never)];
  const all = Promise.all(reads.map((one) => Promise.resolve(one).then(() => answered++)));
  await new Promise(setImmediate);
  expect(answered).toBe(0);
  record.resolve();
  await all;
  expect(counter.note(read(), never)).toBeUndefined();
  expect(counter.drain()).toEqual([{ read: first, requests: 3, entities: 6, until: 1 }]);
});

test("an announcement that was not written fails all that waited for it; the next read is announced, and no failed one is counted", async () => {
  const counter = new ReadCounter(10);
  const counted = { read: read(), requests: 4, entities: 8, until: 5 };
  counter.restore(counted);
  const record = heldRecord();
  const reads = [counter.note(read(), record.write), counter.note(read(), never)];
  const all = Promise.allSettled(reads.map((one) => Promise.resolve(one)));
  record.reject(new Error("no space"));
  expect((await all).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  const second = read({ requestId: "req_2" });
  await counter.note(second, written);
  expect(counter.note(read(), never)).toBeUndefined();
  expect(counter.drain()).toEqual([{ read: second, requests: 5, entities: 10, until: 5 }]);
});

test("an announcement that ends after its minute says nothing of the next one's", async () => {
  const counter = new ReadCounter(10);
  const [early, late] = [heldRecord(), heldRecord()];
  const first = Promise.allSettled([counter.note(read(), early.write)]);
  expect(counter.drain()).toEqual([]);
  const second = counter.note(read({ requestId: "req_2" }), late.write);
  early.reject(new Error("no space"));
  await first;
  const third = counter.note(read(), never);
  expect(third).toBe(second);
  late.resolve();
  await third;
});

test("what could not be written is counted again", async () => {
  const counter = new ReadCounter(10);
  const counted = { read: read(), requests: 3, entities: 6, until: 1 };
  await counter.note(read(), written);
  counter.restore(counted);
  counter.restore(counted);
  expect(counter.drain()).toMatchObject([{ requests: 6, entities: 12 }]);
});
