import type { LinearModel } from "@portolan/onnx-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isExplainedLinearly,
  linearDecisionOf,
  linearScore,
  linearShap,
  nearestLinearChanges,
} from "./linear.ts";

/** Two decimals: sums of larger and smaller ones lose the smaller in rounding, which is no property of what is tested. */
const number = fc.integer({ min: -1000, max: 1000 }).map((hundredths) => hundredths / 100);
const vector = (length: number) => fc.array(number, { minLength: length, maxLength: length });

function modelOf(weights: readonly number[], intercepts: readonly number[], more: Partial<LinearModel> = {}) {
  const targets = intercepts.length;
  const model: LinearModel = {
    kind: "classifier",
    input: "x",
    columns: weights.length / targets,
    targets,
    weights: Float64Array.from(weights),
    intercepts: Float64Array.from(intercepts),
    postTransform: "SOFTMAX",
    classes: [],
    ...more,
  };
  return model;
}

/** Shapley values by their definition: over all orders in which columns come, absent ones at their means. */
function byDefinition(
  score: (row: readonly number[]) => number,
  row: readonly number[],
  means: readonly number[],
): number[] {
  const orders = permutations(row.map((_, column) => column));
  const values = row.map(() => 0);
  for (const order of orders) {
    const now = [...means];
    for (const column of order) {
      const before = score(now);
      now[column] = row[column] ?? 0;
      values[column] = (values[column] ?? 0) + (score(now) - before) / orders.length;
    }
  }
  return values;
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]));
}

describe("Shapley values of a linear score", () => {
  test("are those of the definition, and add up to the score", () => {
    fc.assert(
      fc.property(vector(4), number, vector(4), vector(4), (weights, intercept, row, means) => {
        const score = { weights: Float64Array.from(weights), intercept };
        const { values, expected } = linearShap(score, row, means);
        const own = byDefinition((at) => linearScore(score, at), row, means);
        for (const [column, value] of own.entries()) expect(values[column]).toBeCloseTo(value, 8);
        const sum = values.reduce((total, value) => total + value, expected[0] ?? 0);
        expect(sum).toBeCloseTo(linearScore(score, row), 8);
      }),
    );
  });
});

describe("what a linear model decides", () => {
  test("of two classes by softmax: the log odds of the second", () => {
    fc.assert(
      fc.property(vector(6), vector(2), vector(3), (weights, intercepts, row) => {
        const model = modelOf(weights, intercepts);
        const { unit, name, ...score } = linearDecisionOf(model, row);
        const [first = 0, second = 0] = [0, 1].map((at) =>
          Math.exp(
            linearScore(
              { weights: model.weights.subarray(at * 3, at * 3 + 3), intercept: intercepts[at] ?? 0 },
              row,
            ) / 8,
          ),
        );
        expect([unit, name]).toEqual(["log_odds", "1"]);
        expect(linearScore(score, row) / 8).toBeCloseTo(Math.log(second / first), 6);
      }),
    );
  });

  test("by a score and its negative: that score, not twice it; of more than two: the highest", () => {
    const twice = modelOf([-1, 2, 1, -2], [-0.5, 0.5], { postTransform: "LOGISTIC", classes: ["no", "yes"] });
    const decision = linearDecisionOf(twice, [3, 1]);
    expect([decision.name, linearScore(decision, [3, 1])]).toEqual(["yes", 1.5]);
    const three = modelOf([1, 0, 0, 1, -1, -1], [0, 0, 0], { classes: ["a", "b", "c"] });
    expect(linearDecisionOf(three, [1, 5]).name).toBe("b");
    expect(linearDecisionOf(three, [-9, -5]).name).toBe("c");
    expect(linearDecisionOf(modelOf([1, 2], [3], { kind: "regressor" }), [1, 1])).toMatchObject({
      name: "value",
      unit: "score",
      margins: [],
    });
  });
});

test("two independent logistic scores, and several values, have no closed form of one decision", () => {
  const independent = modelOf([1, 0, 0, 1], [0, 0], { postTransform: "LOGISTIC" });
  const mirrored = modelOf([-1, 2, 1, -2], [-0.5, 0.5], { postTransform: "LOGISTIC" });
  const values = modelOf([1, 0, 0, 1], [0, 0], { kind: "regressor", postTransform: "NONE" });
  expect([independent, mirrored, values, modelOf([1, 0, 0, 1], [0, 0])].map(isExplainedLinearly)).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

describe("the nearest change of a linear model", () => {
  test("turns the decision by one free column, and no change of less, of however many columns, does", () => {
    fc.assert(
      fc.property(
        vector(9),
        vector(3),
        vector(3),
        fc.array(fc.double({ min: 0.1, max: 5, noNaN: true }), { minLength: 3, maxLength: 3 }),
        fc.nat(2),
        vector(3),
        (weights, intercepts, row, units, fixed, direction) => {
          const model = modelOf(weights, intercepts);
          const decision = linearDecisionOf(model, row);
          const free = (column: number): boolean => column !== fixed;
          const change = nearestLinearChanges(decision.margins, row, { units, free })[0];
          fc.pre(change !== undefined && change.distance > 1e-6 && change.distance < 1e6);
          if (!change) return;
          expect(change.column).not.toBe(fixed);
          const changed = row.with(change.column, change.to);
          expect(linearDecisionOf(model, changed).name).not.toBe(decision.name);
          // Any other way of the same length, less what the change goes beyond the boundary.
          const length = direction.reduce(
            (sum, by, at) => sum + (free(at) ? Math.abs(by) / (units[at] ?? 1) : 0),
            0,
          );
          fc.pre(length > 1e-9);
          const part = (0.999 * change.distance) / length;
          const elsewhere = row.map((value, at) => value + (free(at) ? (direction[at] ?? 0) * part : 0));
          expect(decision.margins.every((margin) => linearScore(margin, elsewhere) > -1e-9)).toBe(true);
        },
      ),
    );
  });

  test("is there on the boundary itself, and passes over a column in which single precision knows no such step", () => {
    const margin = { weights: Float64Array.of(1, 1), intercept: -3e9 };
    const asked = { units: [1, 1], free: () => true };
    expect(nearestLinearChanges([{ ...margin, intercept: -2 }], [1, 1], asked)[0]?.distance).toBeLessThan(
      1e-5,
    );
    const row = [3e9, 0.5];
    const [first] = nearestLinearChanges([margin], row, { ...asked, rounded: Math.fround });
    expect(first).toMatchObject({ column: 1, to: expect.closeTo(-5e-5, 5) });
  });
});
