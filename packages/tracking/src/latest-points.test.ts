import fc from "fast-check";
import { expect, test } from "vitest";
import type { MetricPoint } from "./contract.ts";
import { latestPoints } from "./latest-points.ts";

const point = (step: number, timestampMs: number, value: number): MetricPoint => ({
  key: "m",
  value,
  timestampMs,
  step,
});

test("the latest point is the greatest step, then time, then value; NaN is greater than every number", () => {
  expect(latestPoints([point(2, 1, 5), point(1, 9, 7)])).toEqual([point(2, 1, 5)]);
  expect(latestPoints([point(1, 1, 5), point(1, 2, 3)])).toEqual([point(1, 2, 3)]);
  expect(latestPoints([point(1, 1, 5), point(1, 1, 6), point(1, 1, 4)])).toEqual([point(1, 1, 6)]);
  expect(latestPoints([point(1, 1, Number.NaN), point(1, 1, Number.MAX_VALUE)])).toEqual([
    point(1, 1, Number.NaN),
  ]);
  expect(latestPoints([point(-1, 1, 5), point(-2, 9, 7)])).toEqual([point(-1, 1, 5)]);
});

test("the order in which points come changes nothing, and each key has one", () => {
  const some = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    value: fc.constantFrom(0, 1, 2.5, Number.NaN),
    timestampMs: fc.integer({ min: 0, max: 3 }),
    step: fc.integer({ min: -1, max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(some, { maxLength: 20 }), (points) => {
      const latest = latestPoints(points);
      expect(latest.map(({ key }) => key)).toEqual([...new Set(points.map(({ key }) => key))].sort());
      expect(latestPoints(points.toReversed())).toEqual(latest);
      // What a store does with one batch after the other.
      expect(latestPoints([...latestPoints(points.slice(0, 7)), ...points.slice(7)])).toEqual(latest);
    }),
  );
});
