import { expect, test } from "vitest";
import { duration } from "./duration-text.ts";

test.each([
  [null, "-"],
  [0, "0s"],
  [999_999, "0s"],
  [40_000_000, "40s"],
  [300_000_000, "5min"],
  [7_509_000_000, "2h 5min"],
  [273_660_000_000, "3d 4h"],
  [89_940_000_000, "1d"],
])("%s microseconds are %s", (micros, words) => {
  expect(duration(micros)).toBe(words);
});
