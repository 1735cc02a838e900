import fc from "fast-check";
import { expect, test } from "vitest";
import { timeLeftMs, timeUsedUp } from "./time-limit.ts";

const limited = (timeLimitSeconds: number) => ({ resources: { timeLimitSeconds } });

test("without a limit of its own a trainer has what the server gives, however long it worked before", () => {
  expect(timeLeftMs(3_600_000, {}, 9e12)).toBe(3_600_000);
  expect(timeLeftMs(3_600_000, { resources: { cpu: "2" } })).toBe(3_600_000);
});

test("a limit is of all attempts together, and lengthens nothing that the server bounds", () => {
  expect(timeLeftMs(3_600_000, limited(60))).toBe(60_000);
  expect(timeLeftMs(3_600_000, limited(60), 59_000_001)).toBe(999);
  expect(timeLeftMs(3_600_000, limited(60), 60_000_000)).toBe(0);
  expect(timeLeftMs(3_600_000, limited(60), 999_000_000)).toBe(0);
  expect(timeLeftMs(3_600_000, limited(7200), 1_000_000)).toBe(3_600_000);
});

test("attempts that each work for what is left never come to more than the limit", () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 10_000_000 }),
      shares,
      (seconds, most, parts) => {
        let worked = 0;
        for (const part of parts)
          worked += Math.floor(timeLeftMs(most, limited(seconds), worked) * part * 1000);
        expect(worked).toBeLessThanOrEqual(seconds * 1_000_000);
      },
    ),
  );
});

test("whose time is used up is told of how much that was", () => {
  expect(timeUsedUp(limited(5400)).detail).toBe("its attempts have worked for the 90min that were asked for");
});
