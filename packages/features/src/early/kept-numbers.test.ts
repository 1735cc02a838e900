import { expect, test } from "vitest";
import type { AcceptedRange } from "../ports.ts";
import { keptNumbers, mostRanges } from "./kept-numbers.ts";

const ranges = (count: number): AcceptedRange[] =>
  Array.from({ length: count }, (_, n): AcceptedRange => [n * 10 + 1, n * 10 + 4]);

test("what came in few requests is kept as it was", () => {
  expect(keptNumbers([])).toEqual([]);
  expect(keptNumbers(ranges(mostRanges))).toEqual(ranges(mostRanges));
});

test("what came in many is as many numbers from the first on, before those of the next batch", () => {
  const [whole, ...more] = keptNumbers(ranges(mostRanges + 1));
  expect(more).toEqual([]);
  expect(whole).toEqual([1, (mostRanges + 1) * 4]);
  expect(whole?.[1]).toBeLessThan(ranges(mostRanges + 1).at(-1)?.[1] ?? 0);
});
