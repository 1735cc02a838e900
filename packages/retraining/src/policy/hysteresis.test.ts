import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AccuracyWindow, judgeAccuracy, judgeDrift } from "./hysteresis.ts";

const floor = { kind: "floor", open: 0.7, close: 0.72 } as const;
const ceiling = { kind: "ceiling", open: 0.3, close: 0.28 } as const;
const patience = { of: 3, least: 2 };

function window(value: number, spread = 0.01): AccuracyWindow {
  return { start: 0, value, low: value - spread, high: value + spread, labels: 100 };
}
const windows = (...values: number[]): AccuracyWindow[] => values.map((value) => window(value));

describe("incidents of accuracy", () => {
  test("one bad window opens nothing, two of three do", () => {
    expect(judgeAccuracy(false, windows(0.8, 0.8, 0.5), floor, patience).isOpen).toBe(false);
    expect(judgeAccuracy(false, windows(0.8, 0.5, 0.5), floor, patience).isOpen).toBe(true);
    expect(judgeAccuracy(false, windows(0.5, 0.5, 0.8, 0.8), floor, patience).isOpen).toBe(false);
  });

  test("what is open stays open between the two levels, and closes beyond the other one", () => {
    expect(judgeAccuracy(true, windows(0.71, 0.71, 0.71), floor, patience).isOpen).toBe(true);
    expect(judgeAccuracy(true, windows(0.71, 0.73, 0.73), floor, patience).isOpen).toBe(false);
    expect(judgeAccuracy(false, windows(0.71, 0.71, 0.71), floor, patience).isOpen).toBe(false);
  });

  test("a ceiling is the mirror of a floor", () => {
    expect(judgeAccuracy(false, windows(0.4, 0.4), ceiling, patience).isOpen).toBe(true);
    expect(judgeAccuracy(true, windows(0.29, 0.29), ceiling, patience).isOpen).toBe(true);
    expect(judgeAccuracy(true, windows(0.2, 0.2), ceiling, patience).isOpen).toBe(false);
  });

  test("a figure beyond the level whose interval holds it is weak, not open", () => {
    const wide = [window(0.69, 0.1), window(0.69, 0.1)];
    expect(judgeAccuracy(false, wide, floor, patience)).toEqual({ isOpen: false, isWeak: true });
  });

  test("no window at all leaves things as they are", () => {
    expect(judgeAccuracy(true, [], floor, patience).isOpen).toBe(true);
    expect(judgeAccuracy(false, [], floor, patience).isOpen).toBe(false);
  });

  test("the same windows looked at again change nothing: an incident does not flap", () => {
    const anyWindow = fc
      .record({
        value: fc.double({ min: 0, max: 1, noNaN: true }),
        spread: fc.double({ min: 0, max: 0.2, noNaN: true }),
      })
      .map(({ value, spread }) => window(value, spread));
    const anyPatience = fc
      .integer({ min: 1, max: 7 })
      .chain((of) => fc.integer({ min: Math.floor(of / 2) + 1, max: of }).map((least) => ({ of, least })));
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(anyWindow, { maxLength: 10 }),
        fc.constantFrom(floor, ceiling),
        anyPatience,
        (wasOpen, seen, level, held) => {
          const once = judgeAccuracy(wasOpen, seen, level, held).isOpen;
          expect(judgeAccuracy(once, seen, level, held).isOpen).toBe(once);
        },
      ),
    );
  });
});

test("drift that is unclear leaves things as they are", () => {
  expect([judgeDrift(true, "unclear"), judgeDrift(false, "unclear")]).toEqual([true, false]);
  expect([judgeDrift(false, "drift"), judgeDrift(true, "no_drift")]).toEqual([true, false]);
});
