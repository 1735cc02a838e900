import { seededRandom } from "@portolan/numerics";
import { expect, test } from "vitest";
import { type Case, classCase } from "./case-values.ts";
import { judgeConcept } from "./concept-drift.ts";
import { judgeWindows, type LabelledCase } from "./judge-performance.ts";
import { measureCases } from "./measure-cases.ts";

const names = ["bus", "car", "plane"];
const answer = (data: readonly unknown[], shape: readonly number[] = [1, data.length]) =>
  JSON.stringify({
    outputs: [
      { name: "label", datatype: "BYTES", shape: [1], data: ["bus"] },
      { name: "probabilities", datatype: "FP32", shape, data },
    ],
  });

test("the highest score is what was said, and a name or a number what happened", () => {
  const body = answer([0.2, 0.7, 0.1]);
  expect(classCase(body, "car", names)).toMatchObject({ said: 1, happened: 1, likelihood: 0.7 });
  expect(classCase(body, "plane", names)).toMatchObject({ said: 1, happened: 2, likelihood: 0.1 });
  expect(classCase(body, 0, undefined)).toMatchObject({ said: 1, happened: 0, likelihood: 0.2 });
  expect(classCase(body, "2", undefined)).toMatchObject({ said: 1, happened: 2, likelihood: 0.1 });
  // By hand: 0.04 + 0.09 + 0.01.
  expect(classCase(body, "car", names).squaredError).toBeCloseTo(0.14, 12);
  // Of scores that are alike the first is said; what is no distribution gives no likelihood and no squared error.
  expect(classCase(answer([2, 2, -1]), "bus", names)).toEqual({ said: 0, happened: 0 });
});

test("what is no class, no answer of one row, or of another number of classes, is unreadable", () => {
  const body = answer([0.2, 0.7, 0.1]);
  expect(classCase(body, "ship", names)).toEqual({ said: 1 });
  // Where classes have names, their places are none.
  expect(classCase(body, 1, names)).toEqual({ said: 1 });
  expect(classCase(body, 3, undefined)).toEqual({ said: 1 });
  expect(classCase(body, true, undefined)).toEqual({ said: 1 });
  for (const unread of [
    null,
    "{}",
    answer([0.5]),
    answer([0.5, 0.5]),
    answer([1, 0, 0, 0, 1, 0], [2, 3]),
    answer([0.1, "NaN", 0.9]),
  ])
    expect(classCase(unread, "bus", names), String(unread)).toEqual({ happened: 0 });
});

/** So many cases of what was said and what happened. */
const some = (
  count: number,
  said: number,
  happened: number,
  likelihood?: number,
  squaredError?: number,
): Case[] =>
  Array.from({ length: count }, () => ({
    said,
    happened,
    ...(likelihood === undefined ? {} : { likelihood }),
    ...(squaredError === undefined ? {} : { squaredError }),
  }));
const byName = (cases: readonly Case[]) =>
  Object.fromEntries(measureCases("classes", cases, 0.95).map(({ metric, ...rest }) => [metric, rest]));

test("figures are those of the definitions, by hand: 50 of a, of which 40 said; 60 of b, of which 45; 40 of c, of which 30", () => {
  const cases = [
    ...some(40, 0, 0, 0.8),
    ...some(10, 1, 0, 0.1),
    ...some(45, 1, 1, 0.6),
    ...some(15, 2, 1, 0.2),
    ...some(30, 2, 2, 0.9),
    ...some(10, 0, 2, 0.05),
  ];
  const found = byName(cases);
  expect(found["accuracy"]).toMatchObject({ value: 115 / 150, cases: 150 });
  expect(found["balanced_accuracy"]?.value).toBeCloseTo((40 / 50 + 45 / 60 + 30 / 40) / 3, 12);
  expect(found["macro_f1"]?.value).toBeCloseTo((80 / 100 + 90 / 115 + 60 / 85) / 3, 12);
  const losses = [
    [40, 0.8],
    [10, 0.1],
    [45, 0.6],
    [15, 0.2],
    [30, 0.9],
    [10, 0.05],
  ] as const;
  expect(found["log_loss"]?.value).toBeCloseTo(
    losses.reduce((sum, [count, p]) => sum - count * Math.log(p), 0) / 150,
    12,
  );
  for (const { value, low, high } of Object.values(found)) {
    expect(low).toBeLessThan(value);
    expect(high).toBeGreaterThan(value);
  }
});

test("the Brier score is the mean over answers that are probabilities, up to 2, and is not stated where one is none", () => {
  const cases = [...some(60, 0, 0, 0.9, 0.02), ...some(60, 1, 0, 0, 2)];
  const found = byName(cases)["brier_score"];
  expect(found?.value).toBeCloseTo(1.01, 12);
  expect([found?.low, found?.high].every((end = 3) => end > 0 && end < 2)).toBe(true);
  expect(byName([...cases, ...some(1, 0, 0)])["brier_score"]).toBeUndefined();
});

test("a rare class says nothing of what weighs classes alike, and scores that are no probabilities nothing of the log loss", () => {
  const cases = [...some(60, 0, 0), ...some(60, 1, 1), ...some(29, 2, 2)];
  expect(Object.keys(byName(cases))).toEqual(["accuracy"]);
  expect(Object.keys(byName([...cases, ...some(1, 2, 2)]))).toEqual([
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
  ]);
  // A class that was said and never happened has an F1 of 0 in the mean: of it nothing is known either.
  expect(Object.keys(byName([...some(60, 0, 0), ...some(60, 1, 1), ...some(5, 2, 1)]))).toEqual(["accuracy"]);
});

test("the interval of the macro F1 covers the population's value about as often as it says", () => {
  const random = seededRandom(5);
  const draw = (count: number): Case[] =>
    Array.from({ length: count }, () => {
      const happened = Math.floor(random() ** 1.5 * 3);
      return { happened, said: random() < 0.7 ? happened : Math.floor(random() * 3) };
    });
  const truth = byName(draw(400_000))["macro_f1"]?.value ?? 0;
  let covered = 0;
  for (let round = 0; round < 300; round++) {
    const { low = 0, high = 0 } = byName(draw(300))["macro_f1"] ?? {};
    covered += Number(low <= truth && truth <= high);
  }
  // 95 % of 300 are 285; four standard errors are 15.
  expect(covered).toBeGreaterThan(269);
  expect(covered).toBeLessThanOrEqual(300);
});

const labelled = (cases: readonly Case[]): LabelledCase[] =>
  cases.map((one, at) => ({ ...one, predictionId: String(at), receivedAt: at }));

test("a charter's floor on several classes is judged, and concept drift is told by what was wrong", () => {
  const bound = {
    metric: "accuracy",
    kind: "floor",
    value: 0.9,
    below: "alert",
    several: { names },
  } as const;
  const cases = labelled([...some(700, 0, 0), ...some(200, 1, 1), ...some(300, 2, 1)]);
  const answered = [{ hour: 0, predictions: 1200 }];
  const [window] = judgeWindows({ cases, answered, bound }, 3_600_000_000);
  expect(window).toMatchObject({ verdict: "misses", labels: 1200, unreadable: 0 });
  expect(window?.metrics[0]).toMatchObject({ metric: "accuracy", value: 0.75 });
  const concept = judgeConcept({ cases, answered, bound, kept: [] }, 86_400_000_000);
  expect(concept?.standing.reference).toMatchObject({
    task: "classes",
    cases: 1200,
    wrong: 300,
    cutoff: null,
  });
});
