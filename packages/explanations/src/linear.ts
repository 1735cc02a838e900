import type { LinearModel } from "@portolan/onnx-format";
import type { ShapleyValues } from "./tree-shap.ts";

/** One sum over the columns: what is explained, or how far a decision is from another. */
export interface LinearScore {
  readonly weights: Float64Array;
  readonly intercept: number;
}

/** What a linear model's scores say of a row, and in which unit. */
export interface LinearDecision extends LinearScore {
  /** The class whose score it is, or `value`. */
  readonly name: string;
  readonly unit: "log_odds" | "score";
  /** Each is positive for the row, and the decision is another one where one of them is negative; empty for what decides nothing. */
  readonly margins: readonly LinearScore[];
}

export function linearScore({ weights, intercept }: LinearScore, row: ArrayLike<number>): number {
  let score = intercept;
  for (const [column, weight] of weights.entries()) score += weight * (row[column] ?? Number.NaN);
  return score;
}

/**
 * Whether a score can be told whose closed form this is: not of two classes by a logistic function each, which says nothing of how the one stands to the other, unless
 * one is the other's negative. Nor of several values.
 */
export function isExplainedLinearly(model: LinearModel): boolean {
  if (model.kind === "regressor") return model.targets === 1;
  return model.targets !== 2 || model.postTransform !== "LOGISTIC" || isMirrored(model);
}

/** The class that is explained: of two the second, of more the one with the highest score. */
export function linearDecisionOf(model: LinearModel, row: ArrayLike<number>): LinearDecision {
  const { kind, targets, postTransform, classes } = model;
  if (kind === "regressor") return { ...target(model, 0), name: "value", unit: "score", margins: [] };
  if (targets > 2) return ofMany(model, row);
  const score = secondOfTwo(model);
  const isPositive = linearScore(score, row) > 0;
  const isOdds = postTransform !== "NONE";
  return {
    ...score,
    name: classes[1] ?? "1",
    unit: isOdds ? "log_odds" : "score",
    // Where a score without a transform is divided is the model's own affair.
    margins: isOdds || targets === 2 ? [isPositive ? score : negated(score)] : [],
  };
}

/** Its odds are those of the difference: two scores that are each other's negative are one score said twice. */
function secondOfTwo(model: LinearModel): LinearScore {
  if (model.targets === 1) return target(model, 0);
  const second = target(model, 1);
  return model.postTransform === "LOGISTIC" && isMirrored(model)
    ? second
    : difference(second, target(model, 0));
}

function isMirrored(model: LinearModel): boolean {
  const [first, second] = [target(model, 0), target(model, 1)];
  return (
    first.intercept === -second.intercept &&
    first.weights.every((weight, column) => weight === -(second.weights[column] ?? 0))
  );
}

function ofMany(model: LinearModel, row: ArrayLike<number>): LinearDecision {
  const all = Array.from({ length: model.targets }, (_, at) => target(model, at));
  const scores = all.map((one) => linearScore(one, row));
  const winner = scores.indexOf(Math.max(...scores));
  const won = target(model, winner);
  return {
    ...won,
    name: model.classes[winner] ?? String(winner),
    unit: "score",
    margins: all.filter((_, at) => at !== winner).map((other) => difference(won, other)),
  };
}

function target({ weights, columns, intercepts }: LinearModel, at: number): LinearScore {
  return { weights: weights.subarray(at * columns, (at + 1) * columns), intercept: intercepts[at] ?? 0 };
}

function difference(a: LinearScore, b: LinearScore): LinearScore {
  return {
    weights: a.weights.map((weight, column) => weight - (b.weights[column] ?? 0)),
    intercept: a.intercept - b.intercept,
  };
}

function negated({ weights, intercept }: LinearScore): LinearScore {
  return { weights: weights.map((weight) => -weight), intercept: -intercept };
}

/**
 * Shapley values of a linear score, in closed form: each column's weight times its distance from the mean (the interventional game with the background's rows; for it a
 * column's effect does not depend on the others). Equal to `shap.LinearExplainer` with the same means.
 */
export function linearShap(
  score: LinearScore,
  row: ArrayLike<number>,
  means: ArrayLike<number>,
): ShapleyValues {
  const values = score.weights.map(
    (weight, column) => weight * ((row[column] ?? Number.NaN) - (means[column] ?? 0)),
  );
  return { values, expected: Float64Array.of(linearScore(score, means)) };
}

export interface LinearChange {
  readonly column: number;
  readonly from: number;
  readonly to: number;
  /** In the column's unit. */
  readonly distance: number;
}

/** How far beyond the boundary a change goes, as a part of itself: a runtime in single precision has to see it. */
const beyond = 1e-4;

/**
 * Changes of one column each after which one of the margins is negative, the smallest first, each in its column's unit. For linear scores the first is the smallest there is,
 * also among changes of several columns.
 *
 * @param units what a change of each column is measured in; greater than 0
 * @param free columns that may change
 * @param rounded as the model gets a value, where it takes single precision
 */
export function nearestLinearChanges(
  margins: readonly LinearScore[],
  row: ArrayLike<number>,
  {
    units,
    free,
    rounded = (value) => value,
  }: {
    readonly units: ArrayLike<number>;
    readonly free: (column: number) => boolean;
    readonly rounded?: (value: number) => number;
  },
): LinearChange[] {
  return margins
    .flatMap((margin) =>
      [...margin.weights.entries()].flatMap(([column, weight]): LinearChange[] => {
        if (weight === 0 || !free(column)) return [];
        const from = row[column] ?? Number.NaN;
        const unit = units[column] ?? 1;
        // On the boundary itself any step does.
        const left = Math.max(linearScore(margin, row), Math.abs(weight) * unit * 1e-6);
        const to = rounded(from - (left / weight) * (1 + beyond));
        // Where the weight or the step is lost in rounding, there is no such value.
        if (!(linearScore(margin, Float64Array.from(row).with(column, to)) < 0)) return [];
        return [{ column, from, to, distance: Math.abs(to - from) / unit }];
      }),
    )
    .toSorted((a, b) => a.distance - b.distance);
}

/**
 * What operators with these scores may say of a row: values by class, or a regressor's. Which of them a model says, whoever read it compares with the model's own answers.
 */
export function linearAnswersOf(model: LinearModel, row: ArrayLike<number>): readonly Float64Array[] {
  const scores = Float64Array.from({ length: model.targets }, (_, at) => linearScore(target(model, at), row));
  switch (model.postTransform) {
    case "NONE":
      return [scores];
    case "SOFTMAX": {
      const largest = Math.max(...scores);
      return [shares(scores.map((score) => Math.exp(score - largest)))];
    }
    case "LOGISTIC": {
      const parts = scores.map((score) => 1 / (1 + Math.exp(-score)));
      const [only = 0] = parts;
      return parts.length === 1 ? [parts, Float64Array.of(1 - only, only)] : [parts, shares(parts)];
    }
  }
}

function shares(parts: Float64Array): Float64Array {
  const sum = parts.reduce((total, part) => total + part, 0);
  return parts.map((part) => part / sum);
}
