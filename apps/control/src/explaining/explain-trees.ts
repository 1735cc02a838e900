import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { type Decision, decisionOf, nearestChange, scoresOf, TreeShap } from "@portolan/explanations";
import { type ModelSignature, readTreeEnsemble, type TreeEnsemble } from "@portolan/onnx-format";
import { type ColumnsAsked, contributionsOf, type RowExplanation } from "./explained-columns.ts";

/** Nodes of all trees: what the counts take as JSON. */
const mostNodes = 2_000_000;

/** The trees of a model that takes one table of numbers; undefined for any other. */
export function treesOf(bytes: Uint8Array, { inputs }: ModelSignature): TreeEnsemble | undefined {
  if (inputs.length > 1) return undefined;
  const ensemble = readTreeEnsemble(bytes);
  const nodes = ensemble?.trees.reduce((sum, { modes }) => sum + modes.length, 0) ?? 0;
  return nodes > 0 && nodes <= mostNodes ? ensemble : undefined;
}

/** Exact Shapley values by the trees themselves, and the nearest change that turns what they decide. */
export function explainTrees(
  ensemble: TreeEnsemble,
  { columns, covers = [] }: ExplanationBackground,
  row: Float32Array | Float64Array,
  { top, fixed }: ColumnsAsked,
): RowExplanation {
  const { targets } = ensemble;
  const counts = covers.map((tree) => Float64Array.from(tree));
  const { values, expected } = new TreeShap(ensemble, counts, columns.length).explain(row);
  const scores = scoresOf(ensemble, row);
  const decision = decisionOf(ensemble, scores);
  const { target, name, unit } = decision;
  const isFree = (column: number): boolean => !fixed.includes(columns[column] ?? "");
  const turned = turnedRow(ensemble, row, decision, isFree);
  return {
    method: "tree_shap",
    target: name,
    unit,
    score: scores[target] ?? 0,
    expected: expected[target] ?? 0,
    ...contributionsOf(columns, row, (column) => values[column * targets + target] ?? 0, unit, top),
    ...(turned === undefined
      ? {}
      : {
          counterfactual: {
            changes: turned.changes.map(({ column, from, to }) => ({
              column: columns[column] ?? String(column),
              from: Number.isNaN(from) ? null : from,
              to,
            })),
            score: turned.scores[target] ?? 0,
            distance: turned.distance,
          },
        }),
  };
}

function turnedRow(
  ensemble: TreeEnsemble,
  row: Float32Array | Float64Array,
  { turns }: Decision,
  free: (column: number) => boolean,
): ReturnType<typeof nearestChange> {
  const precise = row instanceof Float64Array;
  return turns && nearestChange(ensemble, row, { ...turns, free, precise });
}
