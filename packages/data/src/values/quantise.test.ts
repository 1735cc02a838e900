import fc from "fast-check";
import { expect, test } from "vitest";
import { mostDigits, quantise } from "./quantise.ts";

/** docs/spec/data-contracts.md D4a; that SQL takes the same steps is for validator-parity.test.ts. */

test("a decimal of the scale is unchanged, and its units are the integer that it was written as", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: mostDigits }), fc.maxSafeInteger(), (scale, large) => {
      const units = Math.trunc(large / 4);
      const text = String(Math.abs(units)).padStart(scale + 1, "0");
      const decimal = scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`;
      const value = units < 0 ? -Number(decimal) : Number(decimal);
      expect(quantise(value, scale)).toBe(value + 0);
      expect(Math.floor(value * Number(`1e${scale}`) + 0.5)).toBe(units + 0);
    }),
    { numRuns: 2000 },
  );
});

test("what has more digits is rounded, halves up; what has no double of half a unit is no value", () => {
  expect(quantise(0.125, 2)).toBe(0.13);
  expect(quantise(-0.125, 2)).toBe(-0.12);
  expect(quantise(-0.004, 2)).toBe(0);
  expect(quantise(1e300, 2)).toBeUndefined();
  expect(quantise(2 ** 51, 0)).toBe(2 ** 51);
  expect(quantise(2 ** 51 + 1, 0)).toBeUndefined();
});

test("what would become another decimal is no value: every one near the bound is unchanged, or refused beyond it", () => {
  expect(quantise(40_000_000_000_000.09, 2)).toBeUndefined();
  for (let scale = 0; scale <= mostDigits; scale++)
    for (let units = 2 ** 51 - 5000; units <= 2 ** 51 + 5000; units++) {
      const text = String(units);
      const value = Number(scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`);
      if (quantise(value, scale) !== (units <= 2 ** 51 ? value : undefined))
        throw new Error(`${value} of scale ${scale} is ${quantise(value, scale)}`);
    }
});
