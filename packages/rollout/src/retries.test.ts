import { asEpochMicros, microsPerSecond } from "@portolan/kernel";
import { expect, test } from "vitest";
import { Retries } from "./retries.ts";

const at = (seconds: number) => asEpochMicros(1_000_000_000 + seconds * microsPerSecond);

test("what failed is tried again ever later, at most 30 seconds later, and at once when the clock is set back", () => {
  const retries = new Retries();
  expect(retries.isDue("a", at(0))).toBe(true);
  retries.failed("a", at(0));
  expect([0.9, 1].map((seconds) => retries.isDue("a", at(seconds)))).toEqual([false, true]);
  for (let n = 0; n < 9; n++) retries.failed("a", at(0));
  expect([29, 30].map((seconds) => retries.isDue("a", at(seconds)))).toEqual([false, true]);
  expect(retries.isDue("a", at(-1))).toBe(true);
  expect(retries.isDue("b", at(0))).toBe(true);
  retries.succeeded("a");
  expect(retries.isDue("a", at(0))).toBe(true);
});
