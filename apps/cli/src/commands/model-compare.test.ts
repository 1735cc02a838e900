import type { Comparison } from "@portolan/evaluation/contract";
import { expect, test } from "vitest";
import { comparisonText, ruleOf } from "./model-compare.ts";

test("a metric alone asks for better, one with a margin for no worse by more than that", () => {
  expect(ruleOf(["roc_auc", "brier_score:0.005"])).toEqual({
    metrics: ["roc_auc", "brier_score"],
    margins: { brier_score: 0.005 },
  });
});

test("the margin of an error is in the error's own unit", () => {
  expect(ruleOf(["rmse:2.5", "macro_f1:0.02"]).margins).toEqual({ rmse: 2.5, macro_f1: 0.02 });
});

test.each([
  ["auc", "Name roc_auc"],
  ["accuracy:2", "accuracy:MARGIN"],
  ["accuracy:", "accuracy:MARGIN"],
  ["accuracy:x", "accuracy:MARGIN"],
  ["macro_f1:1", "macro_f1:MARGIN"],
  ["rmse:0", "rmse:MARGIN"],
  ["accuracy:0.01:0.5", "accuracy:MARGIN"],
])("%s is refused with what to write instead", (text, mend) => {
  expect(() => ruleOf([text])).toThrow(
    expect.objectContaining({ code: "cli.bad_usage", mend: expect.stringContaining(mend) as string }),
  );
});

const compared: Comparison = {
  id: "cmp_1",
  model: "delays",
  challenger: 2,
  champion: 1,
  challengerVersionId: "mv_2",
  championVersionId: "mv_1",
  trainingSetId: "ts_1",
  championTrainingSetId: "ts_1",
  dataset: "sha256:0",
  heldOut: { shown: false, because: "trained elsewhere" },
  rows: 1000,
  positives: 20,
  setsTried: 3,
  rule: { metrics: ["brier_score"], margins: { brier_score: 0.005 }, level: 0.025 },
  values: [
    {
      metric: "brier_score",
      champion: 0.2,
      challenger: 0.204,
      advantage: { value: -0.004, interval: { low: -0.007, high: 0.001, level: 0.95 } },
      question: "not_worse",
      margin: 0.005,
      test: "bootstrap",
      p: 0.3,
      adjustedP: 0.3,
      isShown: false,
    },
  ],
  isBetter: false,
  createdAt: 0,
};

test("a comparison is told metric by metric, with its interval, its question and whether it is shown", () => {
  const told = comparisonText(compared);
  expect(told).toContain("version 2 does not show what is asked of it beside version 1");
  expect(told).toContain("not shown to be held out: trained elsewhere");
  expect(told).toMatch(
    /brier_score\s+0\.2000\s+0\.2040\s+-0\.0040 \[-0\.0070, \+0\.0010\]\s+no worse by 0\.005/,
  );
  expect(told).toContain("NOT SHOWN");
  expect(told).toContain("fewer than 30 rows of a class: nothing is shown");
  expect(told).toContain("times 3 sets of rows");
});

test.each([
  [{ rows: 1000 }, "1000 rows;", false],
  [{ rows: 20 }, "20 rows;", true],
  [{ rows: 1000, rarestClass: 40 }, "1000 rows, 40 of the rarest class;", false],
  [{ rows: 1000, rarestClass: 4 }, "1000 rows, 4 of the rarest class;", true],
  [{ rows: 1000, queries: 50 }, "1000 rows, 50 queries;", false],
  [{ rows: 1000, queries: 5 }, "1000 rows, 5 queries;", true],
])("of %o it says what the comparison rests on, and whether that is too little", (size, said, isFew) => {
  const { positives: _, ...others } = compared;
  const told = comparisonText({ ...others, ...size });
  expect(told).toContain(said);
  expect(told.includes("nothing is shown")).toBe(isFew);
});
