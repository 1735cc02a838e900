import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  FourierFeatures,
  holmAdjusted,
  jensenShannon,
  meanDistanceSquared,
  medianDistance,
  mmdSquared,
  normalQuantile,
  shannonEntropy,
  upperTailP,
} from "./index.ts";

// Oracle: numpy 2.4.6 and scipy 1.17.1 (pdist, cdist, entropy, jensenshannon) on these rows, the estimators written out.
const x = [
  [0.1, -0.4],
  [1.2, 0.3],
  [-0.7, 0.8],
  [0.5, 0.5],
  [2.0, -1.0],
];
const y = [
  [0.0, 0.2],
  [1.5, 1.1],
  [-1.0, -0.3],
  [0.9, 0.4],
];
const bandwidth = 0.9;

/** A fixed sequence of uniform draws. */
function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

describe("discrepancy of samples", () => {
  test("equals numpy's, exact", () => {
    expect(mmdSquared(x, y, bandwidth)).toBeCloseTo(-0.1737527217774728, 12);
    expect(medianDistance(x)).toBeCloseTo(1.4843271312164852, 12);
    expect(medianDistance(y)).toBeCloseTo(1.4336597786017427, 12);
  });

  test("random features come as near to the biased one as their number allows", () => {
    const uniform = draws(7);
    const features = new FourierFeatures(2, 20_000, [bandwidth], () => normalQuantile(uniform()));
    const sum = (rows: readonly number[][]): Float64Array => {
      const total = new Float64Array(features.size);
      for (const row of rows) features.addTo(total, row);
      return total;
    };
    expect(
      Math.abs(meanDistanceSquared(sum(x), x.length, sum(y), y.length) - 0.14247416408831814),
    ).toBeLessThan(0.01);
    expect(meanDistanceSquared(sum(x), x.length, sum(x), x.length)).toBe(0);
  });

  test("samples of one row have no answer", () => {
    expect(() => mmdSquared([[1]], y, 1)).toThrow(RangeError);
    expect(() => medianDistance([[1]])).toThrow(RangeError);
  });
});

describe("histograms", () => {
  test("entropy and divergence equal scipy's", () => {
    expect(shannonEntropy([5, 3, 0, 2])).toBeCloseTo(1.0296530140645737, 12);
    expect(shannonEntropy([0, 0])).toBe(0);
    expect(jensenShannon([5, 3, 0, 2], [1, 4, 4, 1])).toBeCloseTo(0.22348385601066692, 12);
  });

  test("a divergence is symmetric, 0 for itself and at most ln 2", () => {
    const bins = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(bins, bins, (a, b) => {
        fc.pre(a.some((one) => one > 0) && b.some((one) => one > 0));
        const divergence = jensenShannon(a, b);
        expect(divergence).toBeCloseTo(jensenShannon(b, a), 12);
        expect(divergence).toBeLessThanOrEqual(Math.LN2 + 1e-12);
        expect(jensenShannon(a, a)).toBe(0);
      }),
    );
    expect(() => jensenShannon([0, 0], [1, 1])).toThrow(RangeError);
  });
});

describe("many tests at once", () => {
  test("Holm's adjustment equals R's", () => {
    expect(holmAdjusted([0.01, 0.04, 0.03, 0.005, 0.6]).map((p) => Number(p.toFixed(9)))).toEqual([
      0.04, 0.09, 0.09, 0.025, 0.6,
    ]);
    expect(holmAdjusted([])).toEqual([]);
  });

  test("an exponential sample's tail is found far beyond the sample, and within it values are counted", () => {
    const uniform = draws(3);
    const sample = Float64Array.from({ length: 4000 }, () => -Math.log(uniform())).sort();
    expect(upperTailP(sample, Math.log(2))).toBeCloseTo(0.5, 1);
    const far = upperTailP(sample, 12);
    expect(Math.log10(far)).toBeGreaterThan(Math.log10(Math.exp(-12)) - 1);
    expect(Math.log10(far)).toBeLessThan(Math.log10(Math.exp(-12)) + 1);
    expect(upperTailP(sample, -1)).toBe(1);
  });

  test("a larger value is never likelier", () => {
    const uniform = draws(11);
    const sample = Float64Array.from({ length: 200 }, uniform).sort();
    let last = 1;
    for (let value = -0.1; value < 2; value += 0.001) {
      const p = upperTailP(sample, value);
      expect(p).toBeLessThanOrEqual(last + 1 / 200);
      last = p;
    }
  });
});
