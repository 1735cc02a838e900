import { expect, test } from "vitest";
import { decimalText } from "./decimal-text.ts";

test.each([
  ["1829", "1829"],
  ["0.000727384", "0.000727384"],
  ["100/3", "≈ 33.333333333"],
  ["22709023/3600000000", "≈ 0.006308062"],
  // Half of the last place goes up, and what is nothing at nine places is said as that.
  ["1/2000000000", "≈ 0.000000001"],
  ["1/3000000000", "≈ 0"],
  ["59999999999/6000000000", "≈ 10"],
])("%s is read as %s", (amount, text) => {
  expect(decimalText(amount)).toBe(text);
});
