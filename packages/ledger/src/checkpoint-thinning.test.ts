import { expect, test } from "vitest";
import { thinningRules } from "./checkpoint-thinning.ts";

const hour = 3_600_000_000;

test("a day stays whole, then an hour leaves one, after 31 days a day leaves one (spec L15)", () => {
  const now = Date.UTC(2026, 5, 15, 10, 59) * 1000;
  expect(thinningRules(now)).toEqual([
    { before: Date.UTC(2026, 5, 14, 10) * 1000, every: hour },
    { before: Date.UTC(2026, 4, 15) * 1000, every: 24 * hour },
  ]);
});

test("what is not yet a whole hour older than a day is not touched", () => {
  const [hourly] = thinningRules(Date.UTC(2026, 5, 15, 10) * 1000);
  expect(hourly?.before).toBe(Date.UTC(2026, 5, 14, 10) * 1000);
});
