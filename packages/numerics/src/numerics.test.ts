import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  accuracy,
  aucInterval,
  brierScore,
  compareAuc,
  logLoss,
  midranks,
  normalQuantile,
  quantile,
  rocAuc,
  thresholdCounts,
} from "./index.ts";

// Oracle: scikit-learn 1.x (roc_auc_score, brier_score_loss, accuracy_score), scipy.stats.norm.ppf, numpy.quantile and
// the O(mn) definition of DeLong's components in numpy, on these twenty rows.
const labels = Uint8Array.of(0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1);
const first = Float64Array.of(
  0.41,
  0.93,
  0.85,
  0.15,
  0.55,
  0.57,
  0.0,
  0.88,
  0.52,
  0.65,
  0.2,
  0.18,
  0.52,
  0.64,
  0.33,
  0.36,
  1.0,
  0.52,
  0.4,
  0.99,
);
const second = Float64Array.of(
  0.18,
  0.29,
  0.67,
  0.04,
  0.18,
  0.44,
  0.4,
  0.93,
  0.53,
  0.59,
  0.42,
  0.21,
  0.16,
  0.31,
  0.59,
  0.17,
  0.46,
  0.0,
  0.71,
  0.28,
);

describe("AUC", () => {
  test("AUC, DeLong variance and interval equal the reference values", () => {
    const estimate = rocAuc({ scores: first, labels });
    expect(estimate.auc).toBeCloseTo(0.9696969696969697, 14);
    expect(estimate.variance).toBeCloseTo(0.000872359963269054, 15);
    const interval = aucInterval(estimate);
    expect(interval.low).toBeCloseTo(
      0.9696969696969697 - 1.959963984540054 * Math.sqrt(0.000872359963269054),
      9,
    );
    expect(interval.high).toBe(1);
  });

  test("the paired difference equals the reference standard error", () => {
    const result = compareAuc({ scores: first, labels }, { scores: second, labels });
    expect(result.difference).toBeCloseTo(0.9696969696969697 - 0.595959595959596, 14);
    expect(result.standardError).toBeCloseTo(0.12502933030038887, 13);
  });

  test("AUC equals the pairwise definition for any data, ties included", () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.boolean()), {
      minLength: 8,
      maxLength: 60,
    });
    fc.assert(
      fc.property(rows, (data) => {
        const scores = Float64Array.from(data, ([score]) => score);
        const classes = Uint8Array.from(data, ([, positive]) => Number(positive));
        const positives = data.filter(([, positive]) => positive).map(([score]) => score);
        const negatives = data.filter(([, positive]) => !positive).map(([score]) => score);
        fc.pre(positives.length >= 2 && negatives.length >= 2);
        const wins = positives.flatMap((p) => negatives.map((n) => (p > n ? 1 : p === n ? 0.5 : 0)));
        const expected = wins.reduce<number>((a, w) => a + w, 0) / wins.length;
        expect(rocAuc({ scores, labels: classes }).auc).toBeCloseTo(expected, 12);
      }),
    );
  });

  test("one class only, NaN and unequal lengths are refused, not scored", () => {
    expect(() => rocAuc({ scores: first, labels: new Uint8Array(labels.length).fill(1) })).toThrow(
      RangeError,
    );
    expect(() => rocAuc({ scores: first.with(0, Number.NaN), labels })).toThrow(/not a number/);
    expect(() => rocAuc({ scores: first.subarray(1), labels })).toThrow(/length/);
  });

  test("equal values share the mean of their ranks", () => {
    expect([...midranks(Float64Array.of(3, 1, 3, 2))]).toEqual([3.5, 1, 3.5, 2]);
  });
});

test("Brier score and accuracy equal scikit-learn's", () => {
  expect(brierScore({ scores: first, labels })).toBeCloseTo(0.112705, 14);
  expect(accuracy({ scores: first, labels })).toBe(0.85);
});

test("log loss equals scikit-learn's, scores of exactly 0 and 1 included", () => {
  expect(logLoss({ scores: first, labels })).toBeCloseTo(0.3641525845821907, 13);
});

test("the confusion matrix gives scikit-learn's precision and recall", () => {
  const counts = thresholdCounts({ scores: first, labels });
  expect(counts).toEqual({ truePositives: 9, falsePositives: 3, trueNegatives: 8, falseNegatives: 0 });
});

test("normal quantiles equal scipy's to nine digits", () => {
  const expected = [
    -3.090232306167813, -1.9599639845400545, -0.8416212335729142, 0, 1.959963984540054, 3.719016485455709,
  ];
  [0.001, 0.025, 0.2, 0.5, 0.975, 0.9999].forEach((p, i) => {
    expect(Math.abs(normalQuantile(p) - (expected[i] ?? Number.NaN))).toBeLessThan(4e-9);
  });
  expect(() => normalQuantile(1)).toThrow(RangeError);
});

test("a quantile between values that are further apart than any double is large lies between them", () => {
  const ends = [-1.6e308, 1.6e308];
  const shares = [0, 0.25, 0.5, 0.75, 1].map((p) => quantile(ends, p) / 1.6e308);
  for (const [at, share] of shares.entries()) expect(share).toBeCloseTo(at / 2 - 1, 14);
});

test("sample quantiles equal numpy's", () => {
  const sorted = first.toSorted();
  expect([0, 0.1, 0.5, 0.99, 1].map((p) => quantile(sorted, p))).toEqual(
    [0, 0.177, 0.52, 0.9981, 1].map((value) => expect.closeTo(value, 12)),
  );
});
