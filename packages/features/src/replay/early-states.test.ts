import { expect, test } from "vitest";
import { earlyRows, statesOf } from "./early-states.ts";

const fold = { position: 10, startedAt: 0, finishedAt: 1 };
const second = 1_000_000;
const rowAt = (servedAt: number) => ({ key: ["a"], at: servedAt, servedAt });
const run = (firstAt: number, settledAt: number | null) => ({ firstAt, settledAt });

test("a row is served of the batches that were early at its moment, and perhaps of those that were being taken out", () => {
  const runs = [run(10 * second, 20 * second), run(15 * second, null), run(90 * second, null)];
  const found = (servedAt: number) => earlyRows([rowAt(servedAt)], [fold], runs, 0).early;
  expect(found(5 * second)).toEqual([]);
  expect(found(12 * second)).toMatchObject([{ counted: [0], leaving: [] }]);
  expect(found(16 * second)).toMatchObject([{ counted: [0, 1], leaving: [] }]);
  expect(found(20 * second)).toMatchObject([{ counted: [1], leaving: [0] }]);
  expect(found(22 * second)).toMatchObject([{ counted: [1], leaving: [] }]);
});

test("nothing was early where nothing was online, and what is forgotten is said", () => {
  const runs = [run(10 * second, null)];
  expect(earlyRows([rowAt(12 * second)], [], runs, 0)).toEqual({ early: [], undecided: new Map() });
  const { undecided } = earlyRows([rowAt(12 * second), rowAt(40 * second)], [fold], runs, 30 * second);
  expect([...undecided]).toEqual([[0, "forgotten"]]);
});

test("there is a state after each event in the order of acceptance, with and without what was being taken out", () => {
  const row = { of: 0, folds: [fold], counted: [1], leaving: [0, 2] };
  const touches = [
    { accepted: 7, run: 1 },
    { accepted: 3, run: 0 },
    { accepted: 5, run: 1 },
  ];
  const states = statesOf(row, touches)?.map(({ upTo, runs }) => [upTo, runs]);
  expect(states).toEqual([
    [5, [1]],
    [7, [1]],
    [3, [1, 0]],
    [5, [1, 0]],
    [7, [1, 0]],
  ]);
});

test("more states than are gone through are none", () => {
  const row = { of: 0, folds: [fold, { ...fold, position: 11 }], counted: [0], leaving: [] };
  const touches = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ accepted: index, run: 0 }));
  expect(statesOf(row, touches(48))).toHaveLength(96);
  expect(statesOf(row, touches(49))).toBeUndefined();
  expect(statesOf(row, [])).toEqual([]);
});
