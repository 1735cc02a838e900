import type { ExplanationBackground } from "@portolan/evaluation/contract";
import {
  isExplainedLinearly,
  type LinearDecision,
  linearAnswersOf,
  linearDecisionOf,
  linearScore,
  linearShap,
  nearestLinearChanges,
} from "@portolan/explanations";
import type { Session } from "@portolan/onnx/session";
import { type LinearModel, type ModelSignature, readLinearModel } from "@portolan/onnx-format";
import { type ColumnsAsked, contributionsOf, type RowExplanation } from "./explained-columns.ts";
import { labelsOfBoth, type Numbers } from "./model-table.ts";

/** A value that fewer rows have may be somebody's. */
const leastRows = 5;
/** Changes that the model is asked about, the smallest first. */
const mostTried = 5;

/** The weights of a model that takes one table of numbers; undefined for any other. */
export function linearOf(bytes: Uint8Array, { inputs }: ModelSignature): LinearModel | undefined {
  const model = inputs.length === 1 ? readLinearModel(bytes) : undefined;
  return model?.columns === inputs[0]?.shape[1] && model && isExplainedLinearly(model) ? model : undefined;
}

export function answersOfLinear(model: LinearModel): (row: Numbers) => readonly Float64Array[] {
  return (row) => linearAnswersOf(model, row);
}

/**
 * The mean of each column over the training rows, and its interquartile range between means of five neighbouring values (1 where that is 0): nobody's value can be told from it. Gaps are left out.
 *
 * @returns undefined where a column has fewer than five numbers
 */
export function summarise(
  table: Numbers,
  columns: number,
): Pick<ExplanationBackground, "means" | "spreads"> | undefined {
  const means: number[] = [];
  const spreads: number[] = [];
  for (let column = 0; column < columns; column++) {
    const values = Float64Array.from(
      { length: table.length / columns },
      (_, row) => table[row * columns + column] ?? Number.NaN,
    ).filter(Number.isFinite);
    if (values.length < leastRows) return undefined;
    means.push(values.reduce((sum, value) => sum + value, 0) / values.length);
    const sorted = values.sort();
    spreads.push(around(sorted, 0.75) - around(sorted, 0.25) || 1);
  }
  return { means, spreads };
}

/** The mean of the five values around a part of sorted ones. */
function around(sorted: Float64Array, part: number): number {
  const from = Math.min(Math.max(0, Math.round(part * (sorted.length - 1)) - 2), sorted.length - leastRows);
  return sorted.subarray(from, from + leastRows).reduce((sum, value) => sum + value, 0) / leastRows;
}

/** Shapley values in closed form, and the nearest change that turns what the model decides. */
export async function explainLinear(
  model: LinearModel,
  session: Session,
  signature: ModelSignature,
  { columns, means = [], spreads = [] }: ExplanationBackground,
  row: Numbers,
  asked: ColumnsAsked,
): Promise<RowExplanation> {
  const decision = linearDecisionOf(model, row);
  const { values, expected } = linearShap(decision, row, means);
  const score = linearScore(decision, row);
  if (!Number.isFinite(score)) throw new Error("the model makes no number of this row");
  return {
    method: "linear",
    target: decision.name,
    unit: decision.unit,
    score,
    expected: expected[0] ?? 0,
    ...contributionsOf(columns, row, (column) => values[column] ?? 0, decision.unit, asked.top),
    ...(await turnedRow(decision, session, signature, { columns, spreads }, row, asked)),
  };
}

async function turnedRow(
  decision: LinearDecision,
  session: Session,
  signature: ModelSignature,
  { columns, spreads }: { readonly columns: readonly string[]; readonly spreads: readonly number[] },
  row: Numbers,
  { fixed }: ColumnsAsked,
): Promise<Pick<RowExplanation, "counterfactual" | "counterfactualSearch">> {
  if (decision.margins.length === 0) return { counterfactualSearch: "not_done" };
  const free = (column: number): boolean => !fixed.includes(columns[column] ?? "");
  const rounded = row instanceof Float32Array ? Math.fround : undefined;
  const asked = { units: spreads, free, ...(rounded ? { rounded } : {}) };
  for (const { column, from, to, distance } of nearestLinearChanges(decision.margins, row, asked).slice(
    0,
    mostTried,
  )) {
    const changed = row.with(column, to);
    const labels = await labelsOfBoth(session, signature, row, changed);
    // What a model without labels decides at which score is for whoever uses it to say.
    if (!labels) return { counterfactualSearch: "not_done" };
    if (labels[0] === labels[1]) continue;
    return {
      counterfactualSearch: "found",
      counterfactual: {
        changes: [{ column: columns[column] ?? String(column), from, to }],
        score: linearScore(decision, changed),
        distance,
      },
    };
  }
  return { counterfactualSearch: "none" };
}
