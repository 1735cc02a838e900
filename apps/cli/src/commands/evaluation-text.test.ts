import type { RowMetrics, SliceReport } from "@portolan/evaluation/contract";
import { expect, test } from "vitest";
import { evaluationText } from "./evaluation-text.ts";

const interval = { low: 0.6, high: 0.8, level: 0.95 };
const told = (metrics: RowMetrics) => evaluationText({ metrics, gates: [] });

test("of several classes each is told with its rows, how often it was said, and what of it was right", () => {
  const text = told({
    rows: 60,
    values: { accuracy: 0.7, macro_f1: 0.65 },
    intervals: { accuracy: { ...interval, method: "wilson" } },
    classes: [
      {
        name: "bus",
        rows: 40,
        predicted: 30,
        recall: { value: 0.7, interval },
        precision: { value: 0.75, interval },
        f1: 0.72,
      },
      { name: "plane", rows: 20, predicted: 0, recall: { value: 0, interval }, f1: 0 },
    ],
    baseline: {
      column: "(most frequent class)",
      metric: "accuracy",
      value: 0.6667,
      difference: { value: 0.03, interval },
    },
  });
  expect(text).toContain("60 rows, 2 classes");
  expect(text).toMatch(
    /bus\s+40\s+30\s+0\.7000 \[0\.6000, 0\.8000\]\s+0\.7500 \[0\.6000, 0\.8000\]\s+0\.7200/,
  );
  expect(text).toMatch(/plane\s+20\s+0\s+0\.0000 \[0\.6000, 0\.8000\]\s+no row\s+0\.0000/);
  expect(text).toContain("the naive answer (most frequent class) has accuracy 0.6667");
});

test("of several classes calibration is told of what was said and of each class, and a rare one as too small", () => {
  const bins = { binCount: 10, bins: [], expectedCalibrationError: 0.0312 };
  const one = { rows: 40, share: 0.6667, meanProbability: 0.7, expectedCalibrationError: 0.05 };
  const text = told({
    rows: 60,
    values: {},
    classCalibration: {
      topLabel: { uniform: bins, quantile: { ...bins, expectedCalibrationError: 0.0298 } },
      classwise: {
        binCount: 10,
        expectedCalibrationError: 0.045,
        support: { rows: 30 },
        worst: "bus",
        classes: [
          { name: "bus", ...one, isJudged: true, bins: [] },
          { name: "plane", ...one, rows: 20, share: 0.3333, meanProbability: 0.3, isJudged: false },
        ],
      },
    },
  });
  expect(text).toContain(
    "calibration of what was said: expected calibration error 0.0312 (10 bins of one width), 0.0298",
  );
  expect(text).toContain("of each class against all others: 0.0450 on average, worst bus");
  expect(text).toMatch(/bus\s+40\s+0\.6667\s+0\.7000\s+0\.0500/);
  expect(text).toMatch(/plane\s+20\s+0\.3333\s+0\.3000\s+too few \(30 rows\)/);
});

const sliced = (slices: SliceReport["columns"][number]["slices"]): RowMetrics => ({
  rows: 100,
  values: {},
  sliced: {
    bins: 4,
    support: { rows: 30 },
    columns: [{ column: "region", slices }],
    worst: { rmse: { column: "region", value: "south", rows: 60, found: 4, gap: 1 } },
  },
});

test("slices are told by what the model answers: errors of quantities, no areas under curves", () => {
  const text = told(
    sliced([
      { value: "south", rows: 60, isJudged: true, values: { rmse: 4, mae: 3, r2: 0.5 } },
      { value: "north", rows: 10, isJudged: false },
    ]),
  );
  expect(text).toMatch(/slice by\s+value\s+rows\s+rmse\s+mae/);
  expect(text).toMatch(/region\s+south\s+60\s+4\.0000\s+3\.0000/);
  expect(text).toMatch(/region\s+north\s+10\s+too few/);
  expect(text).toContain("worst slice by rmse: region south, 1.0000 worse than over all rows");
  expect(text).not.toContain("roc_auc");
});

test("slices of rankings have queries", () => {
  const text = told(
    sliced([{ value: "south", rows: 60, queries: 31, isJudged: true, values: { ndcg_at_10: 0.75 } }]),
  );
  expect(text).toMatch(/rows\s+queries\s+ndcg_at_10/);
  expect(text).toMatch(/south\s+60\s+31\s+0\.7500/);
});

test("of several classes groups are told by each class, and a problem stands in its place", () => {
  const rate = (value: number) => ({ value, interval });
  const text = told({
    rows: 60,
    values: {},
    fairness: {
      support: { positives: 30, negatives: 30 },
      attributes: [
        {
          class: "bus",
          columns: ["sex"],
          groups: [{ value: "f", rows: 60, positives: 30, isJudged: true, selectionRate: rate(0.4) }],
          measures: { demographic_parity_difference: 0.2 },
        },
        { class: "ship", columns: ["sex"], groups: [], problem: "the model has no class ship" },
      ],
    },
  });
  expect(text).toMatch(/class\s+groups by\s+value\s+rows\s+selection rate/);
  expect(text).toMatch(/bus\s+sex\s+f\s+60\s+0\.4000/);
  expect(text).toMatch(/ship\s+sex\s+the model has no class ship/);
  expect(text).toMatch(/bus\s+sex\s+demographic_parity_difference\s+0\.2000/);
});
