import { expect, test } from "vitest";
import { happenedBy, saidBy } from "./case-values.ts";
import { judgeSegments, judgeWindows, type LabelledCase } from "./judge-performance.ts";
import { measureCases, taskOf } from "./measure-cases.ts";
import type { PerformanceMetric } from "./performance-schema.ts";
import { segmentsOf } from "./segments.ts";

const body = (...outputs: readonly object[]) => JSON.stringify({ outputs });
const tensor = (datatype: string, shape: readonly number[], data: readonly unknown[]) => ({
  name: "y",
  datatype,
  shape,
  data,
});

test("what an answer says is the last value of its last floating-point output, of one row", () => {
  const probabilities = tensor("FP32", [1, 2], [0.25, 0.75]);
  expect(saidBy(body(tensor("INT64", [1], [1]), probabilities))).toBe(0.75);
  expect(saidBy(body(probabilities, tensor("INT64", [1], [1])))).toBe(0.75);
  expect(saidBy(body(tensor("FP64", [], [3.5])))).toBe(3.5);
  expect(saidBy(body(tensor("FP32", [1, 2], [[0.25, 0.75]])))).toBe(0.75);
  for (const unread of [
    null,
    "no JSON",
    "{}",
    body(),
    body(tensor("BYTES", [1], ["late"])),
    body(tensor("FP32", [2, 2], [0, 1, 0, 1])),
    body(tensor("FP32", [1], ["NaN"])),
  ])
    expect(saidBy(unread), String(unread)).toBeUndefined();
});

test("yes and no are 1 and 0, numbers are themselves, names are nothing", () => {
  expect([true, false, "true", "false", 2.5, "late", null, undefined].map(happenedBy)).toEqual([
    1,
    0,
    1,
    0,
    2.5,
    undefined,
    undefined,
    undefined,
  ]);
});

/** So many cases of a score and a label. */
const some = (count: number, said: number, happened: number) =>
  Array.from({ length: count }, () => ({ said, happened }));
const byName = (metrics: readonly PerformanceMetric[]) =>
  Object.fromEntries(metrics.map(({ metric, ...rest }) => [metric, rest]));

test("figures of yes and no are those of the definitions, by hand: 40 true, 10 missed, 20 false alarms, 30 rightly quiet", () => {
  const cases = [...some(40, 0.8, 1), ...some(10, 0.2, 1), ...some(20, 0.8, 0), ...some(30, 0.2, 0)];
  const found = byName(measureCases("binary", cases, 0.95));
  expect(found["accuracy"]?.value).toBeCloseTo(0.7, 12);
  expect(found["precision"]).toMatchObject({ value: 40 / 60, cases: 60 });
  expect(found["recall"]).toMatchObject({ value: 0.8, cases: 50 });
  expect(found["balanced_accuracy"]?.value).toBeCloseTo((0.8 + 0.6) / 2, 12);
  expect(found["f1"]?.value).toBeCloseTo(80 / 110, 12);
  // Pairs: a positive wins where it is at 0.8 and the negative at 0.2, and half where both are alike.
  expect(found["roc_auc"]?.value).toBeCloseTo((40 * 30 + 0.5 * (40 * 20 + 10 * 30)) / 2500, 12);
  // Four fifths of the recall at 40 right of 60, the rest at 50 of 100.
  expect(found["pr_auc"]?.value).toBeCloseTo(0.8 * (40 / 60) + 0.2 * 0.5, 12);
  expect(found["brier_score"]?.value).toBeCloseTo((70 * 0.04 + 30 * 0.64) / 100, 12);
  expect(found["log_loss"]?.value).toBeCloseTo(-(70 * Math.log(0.8) + 30 * Math.log(0.2)) / 100, 12);
  for (const { value, low, high } of Object.values(found)) {
    expect(low).toBeLessThan(value);
    expect(high).toBeGreaterThan(value);
  }
  expect(found["accuracy"]?.low).toBeCloseTo(0.6042, 4);
  expect(found["accuracy"]?.high).toBeCloseTo(0.7811, 4);
});

test("figures of quantities are those of the definitions", () => {
  const cases = Array.from({ length: 40 }, (_, at) => ({ said: at + (at % 2 === 0 ? 3 : -1), happened: at }));
  const found = byName(measureCases("regression", cases, 0.95));
  expect(found["mae"]?.value).toBeCloseTo(2, 12);
  expect(found["rmse"]?.value).toBeCloseTo(Math.sqrt(5), 12);
  // The variance of 0 to 39 is (40² − 1) / 12.
  expect(found["r2"]?.value).toBeCloseTo(1 - 5 / (1599 / 12), 12);
  const constant = cases.map(({ said }) => ({ said, happened: 7 }));
  expect(byName(measureCases("regression", constant, 0.95))["r2"], "nothing varies").toBeUndefined();
});

test("too few cases, and too few of a class, state nothing of it", () => {
  expect(measureCases("binary", some(29, 0.8, 1), 0.95)).toEqual([]);
  const names = measureCases("binary", [...some(60, 0.8, 1), ...some(29, 0.2, 0)], 0.95).map(
    ({ metric }) => metric,
  );
  expect(names).toEqual(["accuracy", "precision", "recall", "f1", "brier_score", "log_loss"]);
});

test("the charter's metric says what values are of; without one they say it themselves", () => {
  expect(taskOf({ metric: "rmse" }, some(1, 0.5, 1))).toBe("regression");
  expect(taskOf({ metric: "pass_rate" }, some(1, 0.5, 1))).toBe("judged");
  expect(taskOf({ metric: "accuracy" }, some(1, 0.5, 1))).toBe("binary");
  expect(taskOf({ metric: "accuracy", several: {} }, some(1, 1, 1))).toBe("classes");
  expect(taskOf({ metric: "macro_f1" }, some(1, 1, 1))).toBe("classes");
  expect(taskOf(undefined, some(1, 0.5, 1))).toBe("binary");
  expect(taskOf(undefined, some(1, 0.5, 3))).toBe("regression");
  expect(taskOf(undefined, [{ happened: 1 }])).toBe("judged");
});

const labelled = (count: number, receivedAt: number, happened = 1): LabelledCase[] =>
  Array.from({ length: count }, (_, at) => ({
    predictionId: `${receivedAt}/${at}`,
    receivedAt,
    said: 0.9,
    happened,
  }));
const bound = { metric: "accuracy", kind: "floor", value: 0.7, below: "alert" } as const;

test("labels of which not all predictions were counted have no maturity, and are not judged", () => {
  const [window] = judgeWindows(
    { cases: labelled(50, 10, 0), answered: [{ hour: 0, predictions: 49 }], bound },
    3_600_000_000,
  );
  expect(window).toMatchObject({ predictions: null, maturity: null, labels: 50, verdict: "immature" });
});

test("a metric that outcomes do not tell is said, and so is a missing charter", () => {
  const evidence = { cases: labelled(50, 10), answered: [{ hour: 0, predictions: 50 }] };
  const verdictOf = (of: Parameters<typeof judgeWindows>[0]) => judgeWindows(of, 3_600_000_000)[0]?.verdict;
  expect(verdictOf({ ...evidence, bound: { ...bound, metric: "groundedness" } })).toBe("not_measured");
  expect(verdictOf({ ...evidence, bound: undefined })).toBe("no_bound");
  expect(verdictOf({ ...evidence, bound })).toBe("keeps");
  expect(verdictOf({ ...evidence, bound: { ...bound, kind: "ceiling" } })).toBe("misses");
});

test("many numbers are quarters, many words the most frequent ones and the others, unknown ones last", () => {
  const cases = labelled(103, 0);
  const numbers = new Map(cases.slice(0, 100).map(({ predictionId }, at) => [predictionId, at]));
  expect(segmentsOf(cases, numbers).map(({ segment, cases: own }) => [segment, own.length])).toEqual([
    ["above 24.75, up to 49.5", 25],
    ["above 49.5, up to 74.25", 25],
    ["above 74.25", 25],
    ["up to 24.75", 25],
    ["(not known)", 3],
  ]);
  const words = new Map(cases.map(({ predictionId }, at) => [predictionId, `w${at < 50 ? 0 : at}`]));
  const named = segmentsOf(cases, words);
  expect(named).toHaveLength(20);
  expect([named[0]?.segment, named.at(-1)?.segment]).toEqual(["w0", "(others)"]);
});

test("the more segments, the wider their intervals", () => {
  const evidence = { cases: labelled(100, 0), answered: [{ hour: 0, predictions: 100 }], bound };
  const widthOf = (count: number) => {
    const segments = Array.from({ length: count }, (_, at) => ({
      segment: String(at),
      cases: evidence.cases,
    }));
    const [first] = judgeSegments(evidence, segments);
    const accuracy = first?.metrics.find(({ metric }) => metric === "accuracy");
    return (accuracy?.high ?? 0) - (accuracy?.low ?? 0);
  };
  expect(widthOf(10)).toBeGreaterThan(widthOf(1));
});
