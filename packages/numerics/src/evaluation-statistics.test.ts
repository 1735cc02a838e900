import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EvaluationCase, evaluationDisagreement } from "../test/evaluation-cases.ts";
import {
  bcaAtMost,
  bcaInterval,
  bootstrapSums,
  fairnessMeasures,
  logisticRecalibration,
  mcnemarGreater,
  normalCdf,
  normalQuantile,
  notInferiorShare,
  reliabilityBins,
  seededRandom,
  wilsonInterval,
} from "./index.ts";

/** Made by scikit-learn, scipy and fairlearn: the script is named in the file. */
const golden = JSON.parse(
  readFileSync(new URL("./evaluation-statistics.golden.json", import.meta.url), "utf8"),
) as { readonly cases: readonly (EvaluationCase & { readonly answer: readonly number[] })[] };

test.each([...Map.groupBy(golden.cases, ({ kind }) => kind)])("%s equals the oracle's", (_kind, cases) => {
  expect(cases.flatMap((one) => evaluationDisagreement(one, one.answer))).toEqual([]);
  expect(cases.length).toBeGreaterThan(5);
});

const mean = (sums: ArrayLike<number>) => (sums[0] ?? 0) / (sums[1] ?? 1);
const meansOf = (
  data: Float64Array,
  options: { mostUnits?: number; seed?: number; replicates?: number } = {},
) => {
  const { mostUnits = 4096, seed = 1, replicates = 999 } = options;
  const [found] = bootstrapSums([data, data.map(() => 1)], [mean], { seed, replicates, mostUnits });
  if (!found) throw new Error("no distribution");
  return found;
};

describe("bootstrap", () => {
  const random = seededRandom(7);
  const data = Float64Array.from({ length: 60 }, () => random() ** 2);

  test("the same seed gives the same interval, another one another", () => {
    expect(bcaInterval(meansOf(data))).toEqual(bcaInterval(meansOf(data)));
    expect(bcaInterval(meansOf(data, { seed: 2 }))).not.toEqual(bcaInterval(meansOf(data)));
  });

  test("the estimate is of all rows, the jackknife of all but one", () => {
    const { estimate, jackknife } = meansOf(data);
    const sum = data.reduce((total, value) => total + value, 0);
    expect(estimate).toBeCloseTo(sum / 60, 14);
    data.forEach((value, row) => expect(jackknife[row]).toBeCloseTo((sum - value) / 59, 12));
  });

  test("the interval of a mean covers it about as often as it says", () => {
    const draw = seededRandom(11);
    let covered = 0;
    for (let time = 0; time < 300; time++) {
      const sample = Float64Array.from({ length: 80 }, () => -Math.log(1 - draw()));
      const { low, high } = bcaInterval(meansOf(sample, { seed: time, replicates: 499 }));
      if (low <= 1 && high >= 1) covered++;
    }
    // 95 % of 300 are 285; four standard errors are 15.
    expect(covered).toBeGreaterThan(265);
    expect(covered).toBeLessThan(299);
  });

  test("groups of many rows have the width of the rows, also where the rows lie in order", () => {
    const sorted = Float64Array.from({ length: 20_000 }, (_, row) => row / 20_000);
    const { low, high } = bcaInterval(meansOf(sorted, { mostUnits: 1000 }));
    const standard = (2 * 1.96) / Math.sqrt(12 * 20_000);
    expect((high - low) / standard).toBeGreaterThan(0.85);
    expect((high - low) / standard).toBeLessThan(1.15);
  });

  test("p falls as the bound does, and is the level whose interval ends at the bound", () => {
    const distribution = meansOf(data, { replicates: 4999 });
    const { low } = bcaInterval(distribution, 0.9);
    expect(bcaAtMost(distribution, low)).toBeCloseTo(0.05, 2);
    expect(bcaAtMost(distribution, -1)).toBe(1 / 5000);
    expect(bcaAtMost(distribution, 2)).toBe(1);
    const bounds = [0.1, 0.2, 0.3, 0.4, 0.5].map((bound) => bcaAtMost(distribution, bound));
    expect(bounds.toSorted((a, b) => a - b)).toEqual(bounds);
  });

  test("a statistic that never changes has an interval of one point", () => {
    const { low, high } = bcaInterval(meansOf(new Float64Array(30).fill(0.25)));
    expect([low, high]).toEqual([0.25, 0.25]);
  });

  test("no row, and columns of other lengths, are refused", () => {
    const options = { seed: 1, replicates: 9, mostUnits: 10 };
    expect(() => bootstrapSums([new Float64Array(0)], [mean], options)).toThrow(RangeError);
    expect(() => bootstrapSums([new Float64Array(2), new Float64Array(3)], [mean], options)).toThrow(
      RangeError,
    );
  });
});

describe("calibration", () => {
  const labelsOf = (values: readonly number[]) => Uint8Array.from(values);

  test("every row is in one bin, whose interval holds its share", () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean()), { minLength: 1 });
    fc.assert(
      fc.property(rows, fc.constantFrom("uniform" as const, "quantile" as const), (data, binning) => {
        const scores = Float64Array.from(data, ([score]) => score / 20);
        const labels = labelsOf(data.map(([, positive]) => Number(positive)));
        const bins = reliabilityBins({ scores, labels }, binning);
        expect(bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(data.length);
        for (const { from, to, meanScore, positiveShare, interval } of bins) {
          expect(meanScore).toBeGreaterThanOrEqual(from - 1e-12);
          expect(meanScore).toBeLessThanOrEqual(to + 1e-12);
          expect(interval.low).toBeLessThanOrEqual(positiveShare);
          expect(interval.high).toBeGreaterThanOrEqual(positiveShare);
        }
      }),
    );
  });

  test("scores that are no probabilities are refused", () => {
    for (const score of [-0.1, 1.1, Number.NaN])
      expect(() =>
        reliabilityBins({ scores: Float64Array.of(score), labels: labelsOf([1]) }, "uniform"),
      ).toThrow(/no probability/);
  });

  test("scores that are all alike, or that separate the classes, have no line", () => {
    const labels = labelsOf([0, 1, 0, 1, 1, 0]);
    expect(logisticRecalibration({ scores: new Float64Array(6).fill(0.3), labels })).toBeUndefined();
    const separate = Float64Array.of(0.1, 0.7, 0.2, 0.8, 0.9, 0.3);
    expect(logisticRecalibration({ scores: separate, labels })).toBeUndefined();
  });

  test("scores that lie close together, and too close, have their line too", () => {
    const draw = seededRandom(3);
    const scores = Float64Array.from({ length: 4000 }, () => 0.5 + 0.002 * (draw() - 0.5));
    const labels = labelsOf(Array.from(scores, (score) => Number(draw() < 0.5 + 200 * (score - 0.5))));
    const found = logisticRecalibration({ scores, labels });
    expect(found?.slopeInterval.low).toBeLessThan(200);
    expect(found?.slopeInterval.high).toBeGreaterThan(200);
  });
});

describe("paired shares", () => {
  test("without any discordant pair nothing is better, and many cases show that nothing is worse", () => {
    expect(mcnemarGreater({ gained: 0, lost: 0 })).toEqual({ p: 1, method: "exact" });
    const p = (of: number) => notInferiorShare({ gained: 0, lost: 0 }, of, 0.02).p;
    expect(p(20)).toBeGreaterThan(0.2);
    expect(p(1000)).toBeLessThan(0.001);
  });

  test("with a margin of almost nothing it is McNemar's test without its correction", () => {
    const { p } = notInferiorShare({ gained: 60, lost: 40 }, 1000, 1e-9);
    expect(p).toBeCloseTo(1 - normalCdf(2), 6);
  });

  test("25 discordant pairs and more are tested by the normal law", () => {
    expect(mcnemarGreater({ gained: 20, lost: 4 }).method).toBe("exact");
    expect(mcnemarGreater({ gained: 20, lost: 5 }).method).toBe("asymptotic");
  });

  test("what are no counts, and margins that are none, are refused", () => {
    expect(() => mcnemarGreater({ gained: -1, lost: 0 })).toThrow(RangeError);
    expect(() => notInferiorShare({ gained: 3, lost: 4 }, 6, 0.1)).toThrow(RangeError);
    expect(() => notInferiorShare({ gained: 3, lost: 4 }, 60, 0)).toThrow(RangeError);
  });
});

test("groups of which none is ever selected are treated alike: a ratio of zeros is one", () => {
  const none = { truePositives: 0, falsePositives: 0, trueNegatives: 5, falseNegatives: 3 };
  const measures = fairnessMeasures([none, { ...none, trueNegatives: 9 }]);
  expect(measures).toMatchObject({ demographic_parity_ratio: 1, equalized_odds_ratio: 1 });
  expect(measures.demographic_parity_difference).toBe(0);
  expect(() => fairnessMeasures([none])).toThrow(RangeError);
});

test("the normal law and its quantile undo each other", () => {
  for (const p of [1e-6, 0.025, 0.3, 0.5, 0.9, 0.999])
    expect(normalCdf(normalQuantile(p)) / p).toBeCloseTo(1, 7);
  expect(wilsonInterval(5, 10, 0.9).high).toBeLessThan(wilsonInterval(5, 10).high);
});
