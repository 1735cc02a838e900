import type { AccuracyBound } from "@portolan/charter/contract";
import { expect, test } from "vitest";
import { binaryMetrics } from "./binary-metrics.ts";
import { type Evidence, judgeGates } from "./gates.ts";

// The same twenty rows as in numerics, so the reference values are scikit-learn's.
const labels = Uint8Array.of(0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1);
const scores = Float64Array.of(
  0.41,
  0.93,
  0.85,
  0.15,
  0.55,
  0.57,
  0,
  0.88,
  0.52,
  0.65,
  0.2,
  0.18,
  0.52,
  0.64,
  0.33,
  0.36,
  1,
  0.52,
  0.4,
  0.99,
);
const noise = Float64Array.of(
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
  0,
  0.71,
  0.28,
);

test("metrics equal scikit-learn's on the reference rows", () => {
  const { values } = binaryMetrics({ scores, labels });
  expect(values).toMatchObject({ accuracy: 0.85, precision: 0.75, recall: 1 });
  expect(values["roc_auc"]).toBeCloseTo(0.9696969696969697, 13);
  expect(values["f1"]).toBeCloseTo(0.8571428571428571, 13);
  expect(values["balanced_accuracy"]).toBeCloseTo(0.8636363636363636, 13);
  expect(values["brier_score"]).toBeCloseTo(0.112705, 13);
  expect(values["log_loss"]).toBeCloseTo(0.3641525845821907, 13);
});

function evidence(change: Partial<Evidence> = {}): Evidence {
  const metrics = binaryMetrics({ scores, labels });
  return { metrics, heldOut: { shown: true, because: "later" }, ...change };
}

test("an AUC whose interval reaches below the floor is blocked although its value is above (G1)", () => {
  const bound = { metric: "roc_auc", kind: "floor", value: 0.95, below: "alert" } as const;
  const [gate] = judgeGates(evidence(), { accuracy: bound });
  expect(gate).toMatchObject({ passed: false, observed: "0.9697 [0.9118, 1.0000]" });
  expect(judgeGates(evidence(), { accuracy: { ...bound, value: 0.9 } })[0]?.passed).toBe(true);
});

test("a metric that was not measured fails, it is not assumed (G1)", () => {
  const [gate] = judgeGates(evidence(), {
    accuracy: { metric: "rmse", kind: "ceiling", value: 1, below: "alert" },
  });
  expect(gate).toMatchObject({ passed: false, observed: "rmse was not measured" });
});

test("a ceiling is held from above (G1)", () => {
  const bound = { metric: "brier_score", kind: "ceiling", value: 0.1, below: "alert" } as const;
  expect(judgeGates(evidence(), { accuracy: bound })[0]?.passed).toBe(false);
  expect(judgeGates(evidence(), { accuracy: { ...bound, value: 0.12 } })[0]?.passed).toBe(true);
});

test("the charter may hold any metric by the worse end of its interval, and the AUC by its value (G1)", () => {
  const judged = (bound: AccuracyBound, metrics = evidence().metrics) =>
    judgeGates(evidence({ metrics }), { accuracy: bound })[0];
  const accuracy = { metric: "accuracy", kind: "floor", value: 0.8, below: "alert" } as const;
  expect(judged(accuracy)).toMatchObject({ passed: true, observed: "0.8500" });
  expect(judged({ ...accuracy, heldBy: "interval" })).toMatchObject({
    passed: false,
    observed: "0.8500 [0.6396, 0.9476]",
    required: "accuracy >= 0.8 at the interval's lower end",
  });
  const brier = { metric: "brier_score", kind: "ceiling", value: 0.12, below: "alert" } as const;
  expect(judged({ ...brier, heldBy: "interval" })).toMatchObject({
    passed: false,
    required: "brier_score <= 0.12 at the interval's upper end",
  });
  expect(judged({ ...brier, value: 0.5, heldBy: "interval" })?.passed).toBe(true);
  const auc = { metric: "roc_auc", kind: "floor", value: 0.95, below: "alert" } as const;
  expect(judged({ ...auc, heldBy: "value" })).toMatchObject({ passed: true, observed: "0.9697" });
  // What an older evaluation measured has no intervals.
  const { intervals: _, ...older } = evidence().metrics;
  expect(judged({ ...accuracy, heldBy: "interval" }, older)).toMatchObject({
    passed: false,
    observed: "0.8500 without an interval: evaluate again",
  });
});

test("the interval of a bootstrap that has no width holds nothing: two dozens of rows that are all right are little evidence (G1)", () => {
  const right = Uint8Array.from({ length: 24 }, (_, row) => row % 2);
  const metrics = binaryMetrics({ labels: right, scores: Float64Array.from(right) });
  expect(metrics.intervals?.["f1"]).toMatchObject({ low: 1, high: 1 });
  const bound = { metric: "f1", kind: "floor", value: 0.8, below: "alert" } as const;
  const judged = (heldBy: "interval" | "value") =>
    judgeGates(evidence({ metrics }), { accuracy: { ...bound, heldBy } })[0];
  expect(judged("interval")).toMatchObject({
    passed: false,
    observed: expect.stringContaining("has no width") as string,
  });
  expect(judged("value")?.passed).toBe(true);
});

test("scores that are infinite are refused, as they have no squared error", () => {
  const infinite = scores.with(3, Number.POSITIVE_INFINITY);
  expect(() => binaryMetrics({ labels, scores: infinite })).toThrow(/not a finite number/);
});

const anyAccuracy = {
  accuracy: { metric: "accuracy", kind: "floor", value: 0.5, below: "alert" },
} as const;

test("a model must beat the naive baseline with confidence (G2)", () => {
  const better = binaryMetrics({ scores, labels }, { column: "noise", scores: noise });
  expect(judgeGates(evidence({ metrics: better }), anyAccuracy)[2]).toMatchObject({
    gate: "better-than-baseline",
    passed: true,
  });
  const same = binaryMetrics({ scores: noise, labels }, { column: "noise", scores: noise });
  expect(judgeGates(evidence({ metrics: same }), anyAccuracy)[2]?.passed).toBe(false);
});

test("a training set that names no baseline fails the gate, it does not spare it (G2)", () => {
  expect(judgeGates(evidence(), anyAccuracy)[2]).toMatchObject({
    gate: "better-than-baseline",
    passed: false,
    observed: "the training set names no baseline",
  });
});

test("rows that are not shown to be held out fail the gate, whatever was measured on them (G7)", () => {
  const known = evidence({ heldOut: { shown: false, because: "trained elsewhere" } });
  const [accuracy, heldOut] = judgeGates(known, anyAccuracy);
  expect(accuracy?.passed).toBe(true);
  expect(heldOut).toMatchObject({ gate: "held-out", passed: false, observed: "trained elsewhere" });
});
