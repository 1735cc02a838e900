import { expect, test } from "vitest";
import { type FinishedClaim, reviewFigures } from "./review-figures.ts";
import { settle } from "./settle.ts";

const claim = (reviewId: string, answer: boolean, first: boolean, last = first): FinishedClaim => ({
  reviewId,
  task: "binary_classification",
  answer,
  first,
  last,
  reason: last === answer ? null : "model_error",
});

test("agreement is of decisions made blind, overrides of the last ones, and bias of those who took the model's answer over their own", () => {
  const figures = reviewFigures([
    claim("a", true, true),
    claim("b", true, false),
    claim("c", true, false, true),
    claim("d", false, true, false),
  ]);
  expect(figures.agreesWithModel).toMatchObject({ count: 1, of: 4, share: 0.25 });
  expect(figures.overrides).toMatchObject({ count: 1, of: 4 });
  expect(figures.changedToModel).toMatchObject({ count: 2, of: 3 });
  expect(figures.reasons).toEqual({ model_error: 1 });
  expect(figures.betweenPeople).toMatchObject({ agree: { of: 0, share: null }, kappa: null });
});

test("people are compared by what each decided blind, two of each review, and κ is that of scikit-learn", () => {
  const counts = [
    [true, true, 20],
    [true, false, 5],
    [false, true, 10],
    [false, false, 15],
  ] as const;
  const claims = counts.flatMap(([a, b, n]) =>
    Array.from({ length: n }, (_, i) => [`${a}-${b}-${i}`, a, b] as const).flatMap(([id, one, other]) => [
      claim(id, true, one),
      // What they concluded after the answer was shown does not count.
      claim(id, true, other, true),
    ]),
  );
  const { betweenPeople } = reviewFigures(claims);
  expect(betweenPeople.agree).toMatchObject({ count: 35, of: 50 });
  expect(betweenPeople.kappa).toBeCloseTo(0.4, 12);
  expect(betweenPeople.low).toBeCloseTo(0.151092290476661, 8);
});

test("quantities agree with nothing; an answer that is gone is in no figure of the model's", () => {
  const quantity = { ...claim("a", true, true), task: "regression", answer: 4.2, first: 4, last: 4 };
  const gone = { ...claim("b", true, true), answer: null };
  const figures = reviewFigures([quantity, gone]);
  expect([figures.agreesWithModel.of, figures.overrides.of]).toEqual([0, 1]);
});

test("one person decides alone; two who differ ask a third, and a majority settles", () => {
  expect(settle([], 1)).toEqual({ kind: "waiting" });
  expect(settle([true], 1)).toEqual({ kind: "settled", label: true });
  expect(settle([true], 2)).toEqual({ kind: "waiting" });
  expect(settle([true, true], 2)).toEqual({ kind: "settled", label: true });
  expect(settle([true, false], 2)).toEqual({ kind: "ask", people: 3 });
  expect(settle([true, false, false], 3)).toEqual({ kind: "settled", label: false });
  expect(settle(["red", "green", "blue"], 3)).toEqual({ kind: "settled", label: null });
});
