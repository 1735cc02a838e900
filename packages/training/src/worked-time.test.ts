import fc from "fast-check";
import { expect, test } from "vitest";
import { workedMicros } from "./worked-time.ts";

const span = { since: 100, now: 1_000 };

test("what trainers worked is what their starts lie within the stretch, without the time between them", () => {
  const attempts = [
    { from: 50, to: 150 },
    { from: 400, to: 500 },
    { from: 990, to: 2_000 },
  ];
  expect(workedMicros({ attempts }, span)).toBe(50 + 100 + 10);
  expect(workedMicros({ attempts: [{ from: 10, to: 90 }] }, span)).toBe(0);
});

test("a run whose starts are not on record counts from its start to its end; one that waits counts nothing", () => {
  expect(workedMicros({ attempts: [], whole: { from: 200, to: 700 } }, span)).toBe(500);
  expect(workedMicros({ attempts: [] }, span)).toBe(0);
  expect(workedMicros({ attempts: [{ from: 300, to: 310 }], whole: { from: 200, to: 700 } }, span)).toBe(10);
});

test("two stretches that meet have together what the whole has", () => {
  const moment = fc.nat({ max: 1_000 });
  const attempt = fc.tuple(moment, moment).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
  fc.assert(
    fc.property(fc.array(attempt), moment, (attempts, middle) => {
      const within = (since: number, now: number) => workedMicros({ attempts }, { since, now });
      expect(within(0, middle) + within(middle, 1_000)).toBe(within(0, 1_000));
    }),
  );
});
