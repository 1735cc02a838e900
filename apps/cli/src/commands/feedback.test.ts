import { expect, test } from "vitest";
import { feedbackOf } from "./feedback.ts";

test("feedback on the command line is one thing: a rating, a correction or an override", () => {
  expect(feedbackOf("prd_1", { rating: "4", comment: "fine" })).toEqual({
    predictionId: "prd_1",
    kind: "rating",
    rating: 4,
    comment: "fine",
  });
  expect(feedbackOf("prd_1", { correct: "false" })).toEqual({
    predictionId: "prd_1",
    kind: "correction",
    value: false,
  });
  expect(feedbackOf("prd_1", { override: "red" })).toMatchObject({ kind: "override", value: "red" });
  expect(feedbackOf("prd_1", { correct: "-1.5e3" })).toMatchObject({ value: -1500 });
  expect(feedbackOf("prd_1", { correct: "[0, 2,1.5]" })).toMatchObject({ value: [0, 2, 1.5] });
  for (const list of ["[1]", "[]", "[1, -1]", "[1, x]", "[1,,2]"])
    expect(() => feedbackOf("prd_1", { correct: list })).toThrow("cli.bad_usage");
  for (const options of [{}, { rating: "6" }, { rating: "3", correct: "true" }, { correct: "" }])
    expect(() => feedbackOf("prd_1", options)).toThrow();
});
