import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { answerOf, decisionOf, nearestChange, scoresOf, TreeShap } from "@portolan/explanations";
import type { Session } from "@portolan/onnx/session";
import { type ModelSignature, readTreeEnsemble, type TreeEnsemble } from "@portolan/onnx-format";
import { type ColumnsAsked, contributionsOf, type RowExplanation } from "./explained-columns.ts";
import { labelsOfBoth, type Numbers } from "./model-table.ts";

/** Nodes of all trees: what the counts take as JSON. */
const mostNodes = 2_000_000;
/** The trees of a model that takes one table of numbers; undefined for any other. */
export function treesOf(bytes: Uint8Array, { inputs }: ModelSignature): TreeEnsemble | undefined {
  if (inputs.length > 1) return undefined;
  const ensemble = readTreeEnsemble(bytes);
  const nodes = ensemble?.trees.reduce((sum, { modes }) => sum + modes.length, 0) ?? 0;
  return nodes > 0 && nodes <= mostNodes ? ensemble : undefined;
}

/** What the trees say of a row; nothing where their operator's answer is not known. */
export function answersOfTrees(ensemble: TreeEnsemble): (row: Numbers) => readonly Float64Array[] {
  return (row) => {
    const answer = answerOf(ensemble, scoresOf(ensemble, row));
    return answer ? [answer] : [];
  };
}

/** Of a background that was counted for them. */
export function explainerOfTrees(
  ensemble: TreeEnsemble,
  { columns, covers = [] }: ExplanationBackground,
): TreeShap {
  const counts = covers.map((tree) => Float64Array.from(tree));
  return new TreeShap(ensemble, counts, columns.length);
}

/** Exact Shapley values by the trees themselves, and the nearest change that turns what they decide. */
export async function explainTrees(
  ensemble: TreeEnsemble,
  shap: TreeShap,
  session: Session,
  signature: ModelSignature,
  { columns }: ExplanationBackground,
  row: Numbers,
  asked: ColumnsAsked,
): Promise<RowExplanation> {
  const { targets } = ensemble;
  const { values, expected } = shap.explain(row);
  const scores = scoresOf(ensemble, row);
  const { target, name, unit } = decisionOf(ensemble, scores);
  return {
    method: "tree_shap",
    target: name,
    unit,
    score: scores[target] ?? 0,
    expected: expected[target] ?? 0,
    ...contributionsOf(columns, row, (column) => values[column * targets + target] ?? 0, unit, asked.top),
    ...(await turnedRow(ensemble, session, signature, columns, row, asked)),
  };
}

/** The nearest change, which the model itself has to confirm where it says a label. */
async function turnedRow(
  ensemble: TreeEnsemble,
  session: Session,
  signature: ModelSignature,
  columns: readonly string[],
  row: Numbers,
  { fixed }: ColumnsAsked,
): Promise<Pick<RowExplanation, "counterfactual" | "counterfactualSearch">> {
  const { turns, target } = decisionOf(ensemble, scoresOf(ensemble, row));
  if (!turns) return { counterfactualSearch: "not_done" };
  const free = (column: number): boolean => !fixed.includes(columns[column] ?? "");
  const search = nearestChange(ensemble, row, { ...turns, free, precise: row instanceof Float64Array });
  if (search.kind !== "found") return { counterfactualSearch: search.kind };
  const { changes, scores, distance } = search.change;
  const changed = row.slice();
  for (const { column, to } of changes) changed[column] = to;
  const labels = await labelsOfBoth(session, signature, row, changed);
  if (labels && labels[0] === labels[1]) return { counterfactualSearch: "none" };
  return {
    counterfactualSearch: "found",
    counterfactual: {
      changes: changes.map(({ column, from, to }) => ({
        column: columns[column] ?? String(column),
        from: Number.isNaN(from) ? null : from,
        to,
      })),
      score: scores[target] ?? 0,
      distance,
    },
  };
}
