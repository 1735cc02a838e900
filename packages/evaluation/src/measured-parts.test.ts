import { expect, test } from "vitest";
import type { RowMetrics } from "./contract.ts";
import { measuredParts } from "./measured-parts.ts";

const interval = { low: 0.5, high: 0.9, level: 0.95 };
const share = (value: number) => ({ value, interval });
const metrics: RowMetrics = {
  rows: 100,
  values: { accuracy: 0.8 },
  classes: [
    { name: "setosa", rows: 60, predicted: 55, recall: share(0.8), precision: share(0.9), f1: 0.85 },
    { name: "virginica", rows: 0, predicted: 0 },
  ],
  classCalibration: {
    topLabel: {
      uniform: { binCount: 10, bins: [], expectedCalibrationError: 0.03 },
      quantile: { binCount: 10, bins: [], expectedCalibrationError: 0.03 },
    },
    classwise: {
      binCount: 10,
      expectedCalibrationError: 0.04,
      support: { rows: 30 },
      classes: [
        {
          name: "setosa",
          rows: 60,
          share: 0.6,
          meanProbability: 0.5,
          expectedCalibrationError: 0.1,
          isJudged: true,
        },
        {
          name: "virginica",
          rows: 0,
          share: 0,
          meanProbability: 0,
          expectedCalibrationError: 0,
          isJudged: false,
        },
      ],
    },
  },
  sliced: {
    bins: 4,
    support: { rows: 30 },
    columns: [
      {
        column: "garden",
        slices: [
          {
            value: "north",
            rows: 60,
            isJudged: true,
            values: { accuracy: 0.75, log_loss: 0.4 },
            intervals: { accuracy: { ...interval, method: "wilson" } },
          },
          { value: "south", rows: 5, isJudged: false },
        ],
      },
    ],
    worst: {},
  },
  fairness: {
    support: { positives: 30, negatives: 30 },
    attributes: [
      {
        columns: ["sex", "age"],
        groups: [
          { value: "f, young", rows: 40, positives: 20, isJudged: true, selectionRate: share(0.3) },
          { value: "m, old", rows: 3, positives: 1, isJudged: false },
        ],
      },
    ],
  },
};

test("classes, slices and groups that are judged have their figures, with the intervals that there are", () => {
  expect(measuredParts(metrics)).toEqual([
    { of: "class setosa", rows: 60, name: "recall", value: 0.8, interval },
    { of: "class setosa", rows: 60, name: "precision", value: 0.9, interval },
    { of: "class setosa", rows: 60, name: "f1", value: 0.85 },
    { of: "class setosa", rows: 60, name: "expected_calibration_error", value: 0.1 },
    { of: "garden north", rows: 60, name: "accuracy", value: 0.75, interval },
    { of: "sex, age f, young", rows: 40, name: "selection_rate", value: 0.3, interval },
  ]);
});

test("an evaluation without parts has none, and one with very many two hundred", () => {
  expect(measuredParts({ rows: 1, values: {} })).toEqual([]);
  const [setosa] = metrics.classes ?? [];
  const classes = Array.from({ length: 100 }, () => setosa).filter((one) => one !== undefined);
  expect(measuredParts({ rows: 1, values: {}, classes })).toHaveLength(200);
});
