import { evaluatedMetrics } from "@portolan/charter/contract";
import { seededRandom } from "@portolan/numerics";
import { expect, test } from "vitest";
import { binaryMetrics } from "./binary-metrics.ts";

/** Scores that are the probabilities of their labels. */
function calibrated(rows: number, seed: number) {
  const random = seededRandom(seed);
  const scores = Float64Array.from({ length: rows }, () => 0.05 + 0.9 * random());
  const labels = Uint8Array.from(scores, (score) => Number(random() < score));
  return { scores, labels };
}

test("every metric has an interval that holds its value, made by the method that suits it", () => {
  const { values, intervals = {}, bootstrap } = binaryMetrics(calibrated(600, 1));
  expect(Object.keys(intervals).toSorted()).toEqual(Object.keys(values).toSorted());
  for (const [name, { low, high }] of Object.entries(intervals)) {
    expect(low, name).toBeLessThan(values[name] ?? Number.NaN);
    expect(high, name).toBeGreaterThan(values[name] ?? Number.NaN);
  }
  const methods = Object.fromEntries(Object.entries(intervals).map(([name, { method }]) => [name, method]));
  expect(methods).toEqual({
    roc_auc: "delong",
    pr_auc: "bca",
    accuracy: "wilson",
    precision: "wilson",
    recall: "wilson",
    balanced_accuracy: "bca",
    f1: "bca",
    brier_score: "bca",
    log_loss: "bca",
  });
  expect(Object.keys(values).toSorted()).toEqual([...evaluatedMetrics.binary_classification].toSorted());
  expect(bootstrap).toEqual({ seed: 1, replicates: 1999, mostUnits: 4096 });
});

test("the same rows give the same intervals again", () => {
  const set = calibrated(200, 2);
  expect(binaryMetrics(set)).toEqual(binaryMetrics(set));
});

test("four times the rows halve an interval", () => {
  const width = (rows: number) => {
    const { brier_score: found } = binaryMetrics(calibrated(rows, 3)).intervals ?? {};
    return (found?.high ?? Number.NaN) - (found?.low ?? Number.NaN);
  };
  expect(width(250) / width(1000)).toBeGreaterThan(1.6);
  expect(width(250) / width(1000)).toBeLessThan(2.4);
});

test("a share without cases has no interval: nothing was predicted positive", () => {
  const scores = Float64Array.from({ length: 40 }, (_, row) => row / 100);
  const labels = Uint8Array.from(scores, (_, row) => row % 2);
  const { values, intervals = {} } = binaryMetrics({ scores, labels });
  expect(values["precision"]).toBe(0);
  expect(intervals["precision"]).toBeUndefined();
  expect(intervals["recall"]).toMatchObject({ low: 0, method: "wilson" });
});

test("probabilities that are right have a slope of one, doubled log odds one of a half", () => {
  const { scores, labels } = calibrated(1500, 4);
  const right = binaryMetrics({ scores, labels }).calibration;
  expect(right?.slope?.interval.low).toBeLessThan(1);
  expect(right?.slope?.interval.high).toBeGreaterThan(1);
  expect(right?.uniform.expectedCalibrationError).toBeLessThan(0.04);
  const sharp = scores.map((p) => p ** 2 / (p ** 2 + (1 - p) ** 2));
  const wrong = binaryMetrics({ scores: sharp, labels }).calibration;
  expect(wrong?.slope?.value).toBeCloseTo((right?.slope?.value ?? Number.NaN) / 2, 6);
  expect(wrong?.uniform.expectedCalibrationError).toBeGreaterThan(0.06);
});

test("scores that are no probabilities have metrics and no calibration", () => {
  const { scores, labels } = calibrated(100, 5);
  const { calibration, values } = binaryMetrics({ scores: scores.map((score) => 10 * score - 5), labels });
  expect(calibration).toBeUndefined();
  expect(values["roc_auc"]).toBeGreaterThan(0.5);
});
