import fc from "fast-check";
import { expect, test } from "vitest";
import { wilsonInterval } from "./wilson.ts";

test("the interval is that of the published example: 81 of 263 at 95 % (Newcombe 1998, table I, method 3)", () => {
  const { low, high } = wilsonInterval(81, 263);
  expect(low).toBeCloseTo(0.2553, 4);
  expect(high).toBeCloseTo(0.3662, 4);
  // The same table: 15 of 148, 0 of 20, 1 of 29.
  expect(wilsonInterval(15, 148).low).toBeCloseTo(0.0624, 4);
  expect(wilsonInterval(15, 148).high).toBeCloseTo(0.1605, 4);
  expect(wilsonInterval(0, 20).low).toBe(0);
  expect(wilsonInterval(0, 20).high).toBeCloseTo(0.1611, 4);
  expect(wilsonInterval(1, 29).low).toBeCloseTo(0.0061, 4);
  expect(wilsonInterval(1, 29).high).toBeCloseTo(0.1718, 4);
});

test("the share lies within its interval, and the interval within 0 and 1", () => {
  const cases = fc
    .integer({ min: 1, max: 5000 })
    .chain((count) => fc.tuple(fc.nat(count), fc.constant(count)));
  fc.assert(
    fc.property(cases, ([successes, count]) => {
      const { low, high } = wilsonInterval(successes, count);
      const share = successes / count;
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
      expect(low).toBeLessThanOrEqual(share);
      expect(high).toBeGreaterThanOrEqual(share);
    }),
  );
});

test.each([
  [1, 0],
  [-1, 5],
  [6, 5],
  [0.5, 5],
])("%d of %d is refused", (successes, count) => {
  expect(() => wilsonInterval(successes, count)).toThrow(RangeError);
});
