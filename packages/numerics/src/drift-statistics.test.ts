import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { disagreement, type OracleCase, ourAnswer } from "../test/oracle-cases.ts";
import {
  beyondRange,
  binnedWasserstein,
  chiSquaredContingency,
  chiSquaredUpperTail,
  fisherGrown,
  kolmogorovUpperTail,
  ksFromCounts,
  ksTwoSample,
  populationStability,
  smirnovUpperTail,
  wassersteinDistance,
} from "./index.ts";

/** Made by scipy: the script is named in the file. */
const golden = JSON.parse(
  readFileSync(new URL("./drift-statistics.golden.json", import.meta.url), "utf8"),
) as { readonly cases: readonly (OracleCase & { readonly answer: readonly number[] })[] };

test.each([...Map.groupBy(golden.cases, ({ kind }) => kind)])("%s equals scipy's", (_kind, cases) => {
  const wrong = cases.flatMap((one) => disagreement(one, ourAnswer(one), one.answer));
  expect(wrong).toEqual([]);
  expect(cases.length).toBeGreaterThan(3);
});

const counts = (size: number, max = 60) =>
  fc.array(fc.integer({ min: 0, max }), { minLength: size, maxLength: size });
const pair = fc
  .integer({ min: 2, max: 12 })
  .chain((size) => fc.tuple(counts(size), counts(size)))
  .filter(([a, b]) => a.some((one) => one > 0) && b.some((one) => one > 0));
const repeated = (of: readonly number[]) =>
  of.flatMap((count, value) => Array.from({ length: count }, () => value));

describe("Kolmogorov–Smirnov", () => {
  test("counts in bins say what the values say when all values of a bin are one", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(ksFromCounts(a, b)).toEqual(ksTwoSample(repeated(a), repeated(b)));
      }),
      { numRuns: 50 },
    );
  });

  test("the exact p is the share of all arrangements with a distance at least as large", () => {
    const [a, b] = [
      [0.1, 0.4, 0.9],
      [0.5, 1.2, 1.3, 2.0],
    ];
    const all = [...a, ...b];
    const distance = ksTwoSample(a, b).statistic;
    let [far, total] = [0, 0];
    for (let chosen = 0; chosen < 2 ** 7; chosen++) {
      const first = all.filter((_, at) => (chosen >> at) % 2 === 1);
      if (first.length !== 3) continue;
      total++;
      const second = all.filter((_, at) => (chosen >> at) % 2 === 0);
      if (ksTwoSample(first, second).statistic >= distance - 1e-12) far++;
    }
    expect(ksTwoSample(a, b).p).toBeCloseTo(far / total, 14);
  });

  test("the same sample has no distance, separate ones have all of it, NaN and nothing are refused", () => {
    expect(ksTwoSample([1, 1, 2], [1, 1, 2])).toEqual({ statistic: 0, p: 1, method: "exact" });
    expect(ksTwoSample([1, 2], [3, 4, 5]).statistic).toBe(1);
    expect(() => ksTwoSample([1, Number.NaN], [1])).toThrow(RangeError);
    expect(() => ksTwoSample([], [1])).toThrow(RangeError);
    expect(() => ksFromCounts([1], [1, 2])).toThrow(RangeError);
    expect(() => ksFromCounts([0], [1])).toThrow(RangeError);
  });

  test("of many values a thousand terms of the sum say what all of them do, in their time", () => {
    // scipy.special.smirnov(n, x), scipy 1.17.1
    const cases = [
      [5000, 0.021071782079359114, 0.01162624379503569],
      [5000, 0.05232590180780452, 1.2221878337161106e-12],
      [300001, 0.002720350835028045, 0.01177216321832129],
      [300001, 0.006755233617183736, 1.279232366826034e-12],
      [300001, 0.0200831269700057, 7.683796002969322e-106],
      [1000000, 0.00149, 0.011781856237802955],
      [1000000, 0.0037, 1.2820716246946275e-12],
      [1000000, 0.011, 7.84779410919847e-106],
    ] as const;
    for (const [n, x, p] of cases)
      expect(Math.abs(smirnovUpperTail(n, x) / p - 1), `${n}, ${x}`).toBeLessThan(2e-13);
  });

  test("a larger distance is never likelier, over every change of method", () => {
    for (const n of [5, 140, 141, 3000, 100_001]) {
      let last = 1;
      for (let z = 0.05; z < 6; z += n > 1000 ? 0.13 : 0.03) {
        const p = kolmogorovUpperTail(n, z / Math.sqrt(n));
        expect(p).toBeLessThanOrEqual(last * (1 + 1e-6) + 1e-9);
        last = p;
      }
    }
  });
});

describe("histograms beside one another", () => {
  test("a bin that is empty in both changes nothing; the same shares have no index", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const wider = (of: readonly number[]) => [...of, 0];
        expect(populationStability(wider(a), wider(b))).toEqual(populationStability(a, b));
        expect(chiSquaredContingency([wider(a), wider(b)])).toEqual(chiSquaredContingency([a, b]));
        expect(populationStability(a, a).psi).toBe(0);
        expect(chiSquaredContingency([a, a]).p).toBe(1);
      }),
    );
    expect(() => populationStability([0, 0], [1, 1])).toThrow(RangeError);
    expect(() => chiSquaredContingency([[1, 2]])).toThrow(RangeError);
    expect(() =>
      chiSquaredContingency([
        [0, 0],
        [1, 2],
      ]),
    ).toThrow(RangeError);
  });

  test("far in the tail p is a number, where 1 − cdf is 0", () => {
    // scipy.stats.chi2.sf(100, 1)
    expect(chiSquaredUpperTail(100, 1) / 1.523970604832105e-23 - 1).toBeCloseTo(0, 12);
    expect(chiSquaredUpperTail(0, 3)).toBe(1);
    expect(() => chiSquaredUpperTail(-1, 3)).toThrow(RangeError);
  });

  test("the binned Wasserstein distance is the integral over the two polygons", () => {
    const edges = [0, 1, 3, 3.5, 10];
    const four = fc.tuple(counts(4), counts(4)).filter((both) => both.every((of) => of.some((c) => c > 0)));
    fc.assert(
      fc.property(four, ([a, b]) => {
        const spread = (of: readonly number[]) => {
          // Each bin as a thousand points at the middles of its thousandths.
          const values = of.flatMap((_, bin) =>
            Array.from({ length: 1000 }, (__, at) => {
              const [low, high] = [edges[bin] ?? 0, edges[bin + 1] ?? 0];
              return low + ((high - low) * (at + 0.5)) / 1000;
            }),
          );
          return { values, weights: values.map((_, at) => of[Math.floor(at / 1000)] ?? 0) };
        };
        const fine = wassersteinDistance(spread(a), spread(b));
        expect(Math.abs(binnedWasserstein(edges, a, b) - fine)).toBeLessThan(0.02);
      }),
      { numRuns: 20 },
    );
  });
});

test("values beyond a range are as likely as the arrangements in which they are", () => {
  for (const [of, earlier] of [
    [4, 3],
    [3, 5],
    [1, 1],
    [5, 1],
  ] as const) {
    const size = of + earlier;
    const beyond = Array.from({ length: 2 ** size }, (_, chosen) => {
      const isNew = Array.from({ length: size }, (__, at) => (chosen >> at) % 2 === 1);
      if (isNew.filter(Boolean).length !== of) return [];
      return [isNew.indexOf(false) + (size - 1 - isNew.lastIndexOf(false))];
    }).flat();
    for (let cases = 0; cases <= of; cases++) {
      const share = beyond.filter((one) => one >= cases).length / beyond.length;
      expect(beyondRange({ cases, of }, earlier)).toBeCloseTo(share, 14);
    }
  }
  expect(() => beyondRange({ cases: 2, of: 1 }, 5)).toThrow(RangeError);
});

test("shares that did not grow, and what are no shares", () => {
  expect(fisherGrown({ cases: 0, of: 10 }, { cases: 3, of: 10 })).toBe(1);
  expect(() => fisherGrown({ cases: 3, of: 2 }, { cases: 0, of: 2 })).toThrow(RangeError);
});
