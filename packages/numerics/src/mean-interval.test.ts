import { expect, test } from "vitest";
import { meanInterval, ratioInterval } from "./mean-interval.ts";

test("a mean and its interval are those of the definition: mean ± z s/√n", () => {
  // Of 1, 2, 3, 4, 5 the mean is 3 and the sample variance 2.5.
  const { mean, low, high } = meanInterval(Float64Array.of(1, 2, 3, 4, 5));
  const half = 1.959963984540054 * Math.sqrt(2.5 / 5);
  expect(mean).toBe(3);
  expect(low).toBeCloseTo(3 - half, 8);
  expect(high).toBeCloseTo(3 + half, 8);
  expect(() => meanInterval(Float64Array.of(1))).toThrow(RangeError);
});

test("a ratio over a constant is the mean over it; twice the same values are 1 without doubt", () => {
  const values = Float64Array.of(1, 2, 3, 4);
  const { mean, low, high } = ratioInterval(values, Float64Array.of(2, 2, 2, 2));
  const half = meanInterval(values.map((value) => value / 2));
  expect([mean, low, high].map((value) => value.toFixed(12))).toEqual(
    [half.mean, half.low, half.high].map((value) => value.toFixed(12)),
  );
  expect(ratioInterval(values, values)).toMatchObject({ mean: 1, low: 1, high: 1 });
});

test("95 % intervals of a ratio hold it in about 95 % of samples", () => {
  let state = 12345;
  const uniform = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
  let held = 0;
  for (let run = 0; run < 1000; run++) {
    const of = Float64Array.from({ length: 100 }, () => 1 + uniform());
    // Its mean is 0.4 of the other's.
    const values = of.map((value) => value * 0.8 * uniform());
    const { low, high } = ratioInterval(values, of);
    if (low <= 0.4 && high >= 0.4) held += 1;
  }
  expect(held).toBeGreaterThan(920);
  expect(held).toBeLessThan(980);
});
