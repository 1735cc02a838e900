import { expect, test } from "vitest";
import { onlineAt } from "./online-at.ts";

const run = (position: number, startedAt: number, finishedAt: number | null) => ({
  position,
  startedAt,
  finishedAt,
});
const positions = (runs: ReturnType<typeof run>[], at: number) =>
  onlineAt(runs, at, 0).map(({ position }) => position);

test("what was online is what the last run brought, and while one is at work, that too", () => {
  const runs = [run(10, 100, 110), run(20, 200, 220)];
  expect(positions(runs, 99)).toEqual([]);
  expect(positions(runs, 105)).toEqual([10]);
  expect(positions(runs, 199)).toEqual([10]);
  expect(positions(runs, 200)).toEqual([10, 20]);
  expect(positions(runs, 220)).toEqual([20]);
});

test("a run that a crash ended may have had its effect, until another goes as far", () => {
  const runs = [run(10, 100, 110), run(20, 200, null), run(20, 300, 310)];
  expect(positions(runs, 250)).toEqual([10, 20]);
  expect(positions(runs, 320)).toEqual([20]);
});

test("clocks that differ make both sides of a change possible", () => {
  const runs = [run(10, 100, 110), run(20, 200, 220)];
  const seen = (at: number) => onlineAt(runs, at, 5).map(({ position }) => position);
  expect(seen(112)).toEqual([10]);
  expect(seen(196)).toEqual([10, 20]);
  expect(seen(224)).toEqual([10, 20]);
  expect(seen(225)).toEqual([20]);
});
