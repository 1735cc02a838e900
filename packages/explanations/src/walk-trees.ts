import { type BranchMode, branchModes, type DecisionTree, type TreeEnsemble } from "@portolan/onnx-format";

const modes = Object.fromEntries(branchModes.map((mode, at) => [mode, at])) as Record<BranchMode, number>;

/** Place of the node that follows `node` for a row; the row as the model gets it, in its own precision. */
export function nextNode(tree: DecisionTree, node: number, row: ArrayLike<number>): number {
  const value = row[tree.features[node] ?? 0] ?? Number.NaN;
  return holds(tree, node, value) ? (tree.whenTrue[node] ?? 0) : (tree.whenFalse[node] ?? 0);
}

function holds(tree: DecisionTree, node: number, value: number): boolean {
  if (Number.isNaN(value) && tree.missingIsTrue[node] === 1) return true;
  const threshold = tree.thresholds[node] ?? 0;
  switch (tree.modes[node]) {
    case modes.BRANCH_LEQ:
      return value <= threshold;
    case modes.BRANCH_LT:
      return value < threshold;
    case modes.BRANCH_GTE:
      return value >= threshold;
    case modes.BRANCH_GT:
      return value > threshold;
    case modes.BRANCH_EQ:
      return value === threshold;
    default:
      return value !== threshold;
  }
}

/** Scores of one row by target, before the post-transform, in double precision. A runtime that adds in single precision differs in the seventh digit. */
export function scoresOf(ensemble: TreeEnsemble, row: ArrayLike<number>): Float64Array {
  const { trees, targets } = ensemble;
  const scores = Float64Array.from(ensemble.baseValues);
  const share = shareOf(ensemble);
  for (const tree of trees) {
    let node = 0;
    while (tree.modes[node] !== modes.LEAF) node = nextNode(tree, node, row);
    for (let target = 0; target < targets; target++)
      scores[target] = (scores[target] ?? 0) + share * (tree.weights[node * targets + target] ?? 0);
  }
  return scores;
}

/** What one tree's leaf counts for. */
export function shareOf({ aggregate, trees }: TreeEnsemble): number {
  return aggregate === "AVERAGE" && trees.length > 0 ? 1 / trees.length : 1;
}

/** Rows of the background that pass each node, by tree and node. */
export type Covers = readonly Float64Array[];

/** @param rows one after another, `columns` values each, as the model gets them */
export function countCovers(ensemble: TreeEnsemble, rows: ArrayLike<number>, columns: number): Covers {
  const covers = ensemble.trees.map(({ modes: nodes }) => new Float64Array(nodes.length));
  const row = new Float64Array(columns);
  for (let from = 0; from + columns <= rows.length; from += columns) {
    for (let column = 0; column < columns; column++) row[column] = rows[from + column] ?? Number.NaN;
    for (const [at, tree] of ensemble.trees.entries()) {
      const counts = covers[at] as Float64Array;
      let node = 0;
      counts[0] = (counts[0] ?? 0) + 1;
      while (tree.modes[node] !== modes.LEAF) {
        node = nextNode(tree, node, row);
        counts[node] = (counts[node] ?? 0) + 1;
      }
    }
  }
  return covers;
}

/** Part of a node's rows that go on to `child`. Where no row of the background passed, half of them would. */
export function fractionOf(covers: Float64Array, node: number, child: number): number {
  const all = covers[node] ?? 0;
  return all > 0 ? (covers[child] ?? 0) / all : 0.5;
}
