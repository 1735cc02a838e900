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

test("the first of its kind is announced, those after it are counted until they are drained", () => {
  const counter = new ReadCounter(10);
  const first = read();
  expect(counter.admit(first)).toBe(true);
  expect(counter.drain()).toEqual([]);
  expect([counter.admit(first), counter.admit(read({ entities: 5, receivedAt: asEpochMicros(9) }))]).toEqual([
    true,
    false,
  ]);
  expect(counter.admit(read({ entities: 1, receivedAt: asEpochMicros(7) }))).toBe(false);
  expect(counter.drain()).toEqual([{ read: first, requests: 2, entities: 6, until: 9 }]);
  expect(counter.drain()).toEqual([]);
});

test("another caller, purpose, place or set of views is another kind; another snapshot of the same place is none", () => {
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
  for (const one of [...others, without]) expect(counter.admit(one)).toBe(true);
  expect(counter.admit(read({ context: { ...context, snapshotVersion: 2 } }))).toBe(false);
  expect(counter.isFull).toBe(false);
  counter.admit(read({ principal: "sa_c" }));
  counter.admit(read({ principal: "sa_d" }));
  expect(counter.isFull).toBe(true);
});

test("an announcement that was not written is another read's, and what was counted meanwhile is not lost", () => {
  const counter = new ReadCounter(10);
  const first = read();
  counter.admit(first);
  counter.admit(read());
  counter.takeBack(first);
  const second = read({ requestId: "req_2" });
  expect([counter.admit(second), counter.admit(read())]).toEqual([true, false]);
  // It is not the one that is announced now.
  counter.takeBack(first);
  expect(counter.admit(read())).toBe(false);
  const [counted] = counter.drain();
  expect(counted).toEqual({ read: second, requests: 3, entities: 6, until: 1 });
  if (!counted) throw new Error("it was lost");
  counter.restore(counted);
  expect(counter.admit(read())).toBe(true);
  counter.restore(counted);
  expect(counter.drain()).toMatchObject([{ requests: 6, entities: 12 }]);
});
