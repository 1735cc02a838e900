import type { ReviewTerms } from "@portolan/charter/contract";
import type { PredictionPayload, StoredPrediction } from "@portolan/predictions/contract";
import { expect, test } from "vitest";
import { aRecord, bodyOf } from "../test/records.ts";
import { answerOf, listedRows, listScores, rowOf, rowsIn } from "./record-values.ts";
import { selectReview } from "./select-review.ts";

const terms: ReviewTerms = { every: false, dueWithinMs: 3_600_000, sample: 0, secondReview: 0 };
const uncertain = { ...terms, scoreBetween: { from: 0.4, to: 0.6 } };
const reasonsOf = (record: StoredPrediction, of: ReviewTerms) => selectReview(record, of)?.reasons;

test("a score within the charter's band is uncertain, its ends included; one beyond is not reviewed", () => {
  expect([0.39, 0.4, 0.5, 0.6, 0.61].map((score) => reasonsOf(aRecord({ score }), uncertain))).toEqual([
    undefined,
    ["uncertain"],
    ["uncertain"],
    ["uncertain"],
    undefined,
  ]);
});

test("high stakes are told by an expression over inputs, features, outputs and the score", () => {
  const when = (expression: string) =>
    reasonsOf(aRecord({ score: 0.9, inputs: { amount: 12_000, country: "DE" } }), {
      ...terms,
      when: expression,
    });
  expect(when("amount > 10000 and score > 0.8")).toEqual(["high_stakes"]);
  expect(when("country = 'FR'")).toBeUndefined();
  expect(when("tenure_months < 3")).toEqual(["high_stakes"]);
});

test("what cannot be judged is brought to people: no payload, bytes, several rows, an expression that does not fit", () => {
  const { header } = aRecord({ score: 0.9 });
  const rows = bodyOf("outputs", [{ name: "p", datatype: "FP32", shape: [2, 1], data: [0.1, 0.9] }]);
  const bytes = { mediaType: "application/octet-stream", bytes: Buffer.from([1]) };
  const records: StoredPrediction[] = [
    { header, withheld: "no_space" },
    { header, payload: { outputs: rows } },
    { header, payload: { outputs: bytes } },
  ];
  for (const record of records) expect(reasonsOf(record, uncertain)).toEqual(["not_judged"]);
  for (const expression of ["no_such_column > 1", "country > 1", "amount >"])
    expect(reasonsOf(aRecord({ score: 0.9 }), { ...terms, when: expression })).toEqual(["not_judged"]);
});

test("refusals, errors, replays and shadows are no answers, whatever the charter says", () => {
  const { header, payload } = aRecord({ score: 0.5 });
  const every = { ...uncertain, every: true, sample: 1 };
  const record = (over: Partial<typeof header>) => ({
    header: { ...header, ...over },
    ...(payload ? { payload } : {}),
  });
  const others = [
    record({ status: { kind: "error", httpStatus: 502, reason: "serving.model_failed" } }),
    record({ replayOf: "prd_0" }),
    record({ context: { ...header.context, variant: "shadow" } }),
  ];
  expect(others.map((one) => selectReview(one, every))).toEqual([undefined, undefined, undefined]);
  expect(selectReview(record({}), every)?.reasons).toEqual(["every", "uncertain"]);
});

test("the sample is the same on every machine, of the share asked for, and apart from second reviews", () => {
  const ids = Array.from({ length: 4000 }, (_, n) => `prd_0mwr2jm00abcdefghjkmnpqrst_1_0_${n.toString(32)}`);
  const of = { ...terms, sample: 0.1, secondReview: 0.5 };
  const chosen = ids.flatMap((id) => selectReview(aRecord({ score: 0.9, id }), of) ?? []);
  expect(chosen).toEqual(ids.flatMap((id) => selectReview(aRecord({ score: 0.9, id }), of) ?? []));
  // Four standard deviations of 4000 draws.
  expect(Math.abs(chosen.length / 4000 - 0.1)).toBeLessThan(0.019);
  const twice = chosen.filter(({ people }) => people === 2).length / chosen.length;
  expect(Math.abs(twice - 0.5)).toBeLessThan(0.1);
  expect(new Set(chosen.flatMap(({ reasons }) => reasons))).toEqual(new Set(["sample"]));
});

test("high stakes come before uncertainty, and that before the sample", () => {
  const priority = (of: ReviewTerms, score: number) => selectReview(aRecord({ score }), of)?.priority ?? 0;
  const stakes = priority({ ...uncertain, when: "score < 1" }, 0.5);
  expect(stakes).toBeGreaterThan(priority(uncertain, 0.5));
  expect(priority(uncertain, 0.5)).toBeGreaterThan(priority({ ...terms, sample: 1 }, 0.9));
});

test("what the model said is a label of its task, or none", () => {
  const { payload = {} as PredictionPayload } = aRecord({ score: 0.7 });
  const text = bodyOf("outputs", [{ name: "class", datatype: "BYTES", shape: [1], data: ["red"] }]);
  expect(answerOf("binary_classification", payload.outputs)).toBe(true);
  expect(answerOf("regression", payload.outputs)).toBe(0.7);
  expect(answerOf("multiclass_classification", payload.outputs)).toBe(1);
  expect(answerOf("multiclass_classification", text)).toBe("red");
  expect(answerOf("multiclass_classification", payload.outputs, ["cat", "dog"])).toBe("dog");
  expect(answerOf("multiclass_classification", payload.outputs, ["cat", "dog", "owl"])).toBe(1);
  expect(answerOf("multiclass_classification", scoresOnly([0.4, 0.4, 0.2]))).toBe(0);
  expect(answerOf("multiclass_classification", scoresOnly([0.4, null, 0.2]))).toBeUndefined();
  expect(answerOf("ranking", payload.outputs)).toBeUndefined();
  expect(answerOf("generation", payload.outputs)).toBeUndefined();
  expect(answerOf("binary_classification", undefined)).toBeUndefined();
  expect(rowOf(payload)).toMatchObject({ score: 0.7, "probabilities[1]": 0.7, tenure_months: 2 });
});

test("a list has the values and the score of each row, and none where tensors differ, rows cannot be told apart, or a score is none", () => {
  const tensor = (name: string, datatype: string, shape: readonly number[], data: readonly unknown[]) => ({
    name,
    datatype,
    shape,
    data,
  });
  const inputs = [tensor("x", "FP32", [2, 2], [1, 2, 3, 4]), tensor("site", "BYTES", [2], ["a", "b"])];
  expect(listedRows(bodyOf("inputs", inputs))).toEqual([
    [
      { name: "x[0]", value: 1 },
      { name: "x[1]", value: 2 },
      { name: "site", value: "a" },
    ],
    [
      { name: "x[0]", value: 3 },
      { name: "x[1]", value: 4 },
      { name: "site", value: "b" },
    ],
  ]);
  for (const odd of [tensor("y", "FP32", [3], [1, 2, 3]), tensor("y", "FP32", [2, 2], [1, 2, 3])])
    expect(listedRows(bodyOf("inputs", [...inputs, odd]))).toBeUndefined();
  expect(listedRows(bodyOf("inputs", [tensor("x", "FP32", [1], [1])]))).toBeUndefined();
  const outputs = bodyOf("outputs", [tensor("p", "FP32", [2, 2], [0.9, 0.1, 0.2, 0.8])]);
  expect([rowsIn(outputs), listScores(outputs)]).toEqual([2, [0.1, 0.8]]);
  expect(listScores(bodyOf("outputs", [tensor("p", "FP32", [2], [0.9, null])]))).toBeUndefined();
  expect([rowsIn(undefined), listScores(undefined)]).toEqual([undefined, undefined]);
});

const scoresOnly = (data: readonly unknown[]) =>
  bodyOf("outputs", [{ name: "p", datatype: "FP32", shape: [1, data.length], data }]);
