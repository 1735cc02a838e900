import type { DecisionTree, TreeEnsemble } from "@portolan/onnx-format";
import { type Covers, fractionOf, nextNode, shareOf } from "./walk-trees.ts";

/** Time goes with the square of the depth, and the walk takes a stack's frame per edge. */
const deepestTree = 514;

/** Shapley values of one row: what each column moved each score by, from the background's mean. */
export interface ShapleyValues {
  /** Columns × targets. Their sum over columns and `expected` give the score, to rounding. */
  readonly values: Float64Array;
  /** Mean score over the background, by target. */
  readonly expected: Float64Array;
}

/**
 * Exact Shapley values of tree ensembles for the game in which an absent column follows the background's rows down both branches
 * (path-dependent TreeSHAP; Lundberg et al., Nature Machine Intelligence 2, 2020, algorithm 2), in O(trees × leaves × depth²). Equal to `shap.TreeExplainer` with the same
 * covers. One object per model; it is not reentrant.
 */
export class TreeShap {
  readonly #ensemble: TreeEnsemble;
  readonly #covers: Covers;
  readonly #columns: number;
  readonly #expected: Float64Array;
  readonly #share: number;
  // The path to the current node: one stretch per depth, so that coming back costs nothing.
  readonly #column: Int32Array;
  readonly #zero: Float64Array;
  readonly #one: Float64Array;
  readonly #weight: Float64Array;
  #cover: Float64Array = new Float64Array(0);
  #row: ArrayLike<number> = [];
  #values = new Float64Array(0);

  /** @param columns of a row; at least as many as the trees look at */
  constructor(ensemble: TreeEnsemble, covers: Covers, columns: number) {
    if (columns < ensemble.columns)
      throw new RangeError(`the trees look at ${ensemble.columns} columns, a row has ${columns}`);
    this.#ensemble = ensemble;
    this.#covers = covers;
    this.#columns = columns;
    this.#share = shareOf(ensemble);
    this.#expected = expectedScores(ensemble, covers);
    const deepest = ensemble.trees.reduce((most, { depth }) => Math.max(most, depth), 0) + 2;
    if (deepest > deepestTree) throw new RangeError(`a tree is deeper than ${deepestTree - 2}`);
    const places = (deepest * (deepest + 1)) / 2;
    this.#column = new Int32Array(places);
    this.#zero = new Float64Array(places);
    this.#one = new Float64Array(places);
    this.#weight = new Float64Array(places);
  }

  /** @param row as the model gets it, in its own precision */
  explain(row: ArrayLike<number>): ShapleyValues {
    this.#row = row;
    this.#values = new Float64Array(this.#columns * this.#ensemble.targets);
    for (const [at, tree] of this.#ensemble.trees.entries()) {
      this.#cover = this.#covers[at] ?? new Float64Array(tree.modes.length);
      this.#visit(tree, 0, 0, 0, 1, 1, -1);
    }
    return { values: this.#values, expected: this.#expected };
  }

  /**
   * @param from where the parent's path lies
   * @param length columns on the parent's path
   * @param zero part of the background that comes here when the column is absent
   * @param one whether the row comes here when it is present
   */
  #visit(
    tree: DecisionTree,
    node: number,
    from: number,
    length: number,
    zero: number,
    one: number,
    column: number,
  ): void {
    // Neither the row nor the background comes here: nothing below counts.
    if (zero === 0 && one === 0) return;
    const path = from + length;
    this.#copy(from, path, length);
    this.#extend(path, length, zero, one, column);
    if (tree.modes[node] === 0) this.#addLeaf(tree, node, path, length);
    else this.#descend(tree, node, path, length);
  }

  /** One by one: of so few a call of `copyWithin` costs more than they do. */
  #copy(from: number, to: number, length: number): void {
    for (let at = 0; at < length; at++) {
      this.#column[to + at] = this.#column[from + at] ?? 0;
      this.#zero[to + at] = this.#zero[from + at] ?? 0;
      this.#one[to + at] = this.#one[from + at] ?? 0;
      this.#weight[to + at] = this.#weight[from + at] ?? 0;
    }
  }

  #descend(tree: DecisionTree, node: number, path: number, length: number): void {
    const hot = nextNode(tree, node, this.#row);
    const [yes, no] = [tree.whenTrue[node] ?? 0, tree.whenFalse[node] ?? 0];
    const cold = hot === yes ? no : yes;
    const column = tree.features[node] ?? 0;
    let [zero, one, last] = [1, 1, length];
    // A column that decided before is taken back: its fractions multiply.
    for (let at = 1; at <= length; at++)
      if (this.#column[path + at] === column) {
        zero = this.#zero[path + at] ?? 0;
        one = this.#one[path + at] ?? 0;
        this.#unwind(path, length, at);
        last--;
        break;
      }
    this.#visit(tree, hot, path, last + 1, fractionOf(this.#cover, node, hot) * zero, one, column);
    this.#visit(tree, cold, path, last + 1, fractionOf(this.#cover, node, cold) * zero, 0, column);
  }

  #addLeaf(tree: DecisionTree, node: number, path: number, length: number): void {
    const { targets } = this.#ensemble;
    // Of columns by which the row would not come here the sums differ by their fraction alone.
    let absent = Number.NaN;
    for (let at = 1; at <= length; at++) {
      const one = this.#one[path + at] ?? 0;
      const zero = this.#zero[path + at] ?? 0;
      let scale: number;
      if (one === 0) {
        // The sum's fraction is the difference's: they cancel.
        if (Number.isNaN(absent)) absent = this.#sumWithoutAbsent(path, length);
        scale = -absent * this.#share;
      } else scale = this.#sumWithoutPresent(path, length, one, zero) * (one - zero) * this.#share;
      const into = (this.#column[path + at] ?? 0) * targets;
      for (let target = 0; target < targets; target++)
        this.#values[into + target] =
          (this.#values[into + target] ?? 0) + scale * (tree.weights[node * targets + target] ?? 0);
    }
  }

  #extend(path: number, length: number, zero: number, one: number, column: number): void {
    this.#column[path + length] = column;
    this.#zero[path + length] = zero;
    this.#one[path + length] = one;
    this.#weight[path + length] = length === 0 ? 1 : 0;
    for (let at = length - 1; at >= 0; at--) {
      const weight = this.#weight[path + at] ?? 0;
      this.#weight[path + at + 1] =
        (this.#weight[path + at + 1] ?? 0) + (one * weight * (at + 1)) / (length + 1);
      this.#weight[path + at] = (zero * weight * (length - at)) / (length + 1);
    }
  }

  /** Undoes the extension by the column at `index`. */
  #unwind(path: number, length: number, index: number): void {
    const one = this.#one[path + index] ?? 0;
    const zero = this.#zero[path + index] ?? 0;
    let next = this.#weight[path + length] ?? 0;
    for (let at = length - 1; at >= 0; at--) {
      const weight = this.#weight[path + at] ?? 0;
      if (one !== 0) {
        this.#weight[path + at] = (next * (length + 1)) / ((at + 1) * one);
        next = weight - ((this.#weight[path + at] ?? 0) * zero * (length - at)) / (length + 1);
      } else this.#weight[path + at] = (weight * (length + 1)) / (zero * (length - at));
    }
    for (let at = index; at < length; at++) {
      this.#column[path + at] = this.#column[path + at + 1] ?? 0;
      this.#zero[path + at] = this.#zero[path + at + 1] ?? 0;
      this.#one[path + at] = this.#one[path + at + 1] ?? 0;
    }
  }

  /** Sum of the path's weights without a column by which the row comes here. */
  #sumWithoutPresent(path: number, length: number, one: number, zero: number): number {
    const [whole, part] = [(length + 1) / one, zero / (length + 1)];
    let next = this.#weight[path + length] ?? 0;
    let total = 0;
    for (let at = length - 1; at >= 0; at--) {
      const undone = (next * whole) / (at + 1);
      total += undone;
      next = (this.#weight[path + at] ?? 0) - undone * part * (length - at);
    }
    return total;
  }

  /** Sum of the path's weights without a column by which it does not, times the fraction of the background that comes here. */
  #sumWithoutAbsent(path: number, length: number): number {
    let total = 0;
    for (let at = 0; at < length; at++) total += (this.#weight[path + at] ?? 0) / (length - at);
    return total * (length + 1);
  }
}

function expectedScores(ensemble: TreeEnsemble, covers: Covers): Float64Array {
  const { trees, targets } = ensemble;
  const expected = Float64Array.from(ensemble.baseValues);
  const share = shareOf(ensemble);
  for (const [at, tree] of trees.entries()) {
    const cover = covers[at];
    if (!cover) continue;
    const reach = (node: number, part: number): void => {
      if (tree.modes[node] === 0) {
        for (let target = 0; target < targets; target++)
          expected[target] =
            (expected[target] ?? 0) + part * share * (tree.weights[node * targets + target] ?? 0);
        return;
      }
      for (const child of [tree.whenTrue[node] ?? 0, tree.whenFalse[node] ?? 0])
        reach(child, part * fractionOf(cover, node, child));
    };
    reach(0, 1);
  }
  return expected;
}
