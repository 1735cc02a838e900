import { type BranchMode, branchModes, type DecisionTree, type TreeEnsemble } from "@portolan/onnx-format";
import { type MutableSpace, reachOf } from "./mutable-space.ts";
import { nextNumber } from "./next-number.ts";
import { nextNode, scoresOf, shareOf } from "./walk-trees.ts";

/** How an ensemble decides for its positive class: where the weighted scores reach the threshold. */
export interface PositiveMargin {
  /** By target. */
  readonly weights: readonly number[];
  readonly threshold: number;
}

export interface CertifiedRadius {
  /** No change below this distance turns the decision; infinite: none at all does. */
  readonly radius: number;
  /** Some change at this distance does, but for the slack of sums in single precision. */
  readonly isExact: boolean;
}

export interface CertificateTerms {
  readonly space: MutableSpace;
  /** Rows are in double precision; default: single. */
  readonly precise?: boolean;
  /** Combinations of leaves that two groups of trees may have; more of them bring a closer bound. */
  readonly mostCombinations?: number;
}

/** Where an ensemble's positive class (its last one, or its only value) has a score of one half; `undefined` where that is no threshold of weighted scores. Pure. */
export function positiveMargin({ targets, postTransform }: TreeEnsemble): PositiveMargin | undefined {
  if (postTransform === "LOGISTIC" && targets <= 2) return { weights: lastOf(targets), threshold: 0 };
  if (postTransform === "NONE" && targets <= 2) return { weights: lastOf(targets), threshold: 0.5 };
  if (postTransform === "SOFTMAX" && targets === 2) return { weights: [-1, 1], threshold: 0 };
  return undefined;
}

function lastOf(targets: number): number[] {
  return Array.from({ length: targets }, (_, at) => Number(at === targets - 1));
}

const mostCombinations = 512;
/** Of one row, over all that is tried: what bounds its time. */
const combinationsOfRow = 100_000;

/**
 * How far every change of mutable columns may go without turning a row's decision: robustness verification of tree ensembles as in Chen et al. (2019),
 * "Robustness verification of tree-based models", with L∞ distance in the columns' units. Leaves that a change can reach are combined tree by tree as long as
 * there are not too many combinations; beyond that each group of trees counts with its worst leaf, which is sound and not close. One tree is exact.
 * Sums in single precision are allowed for. Pure.
 * @param row as the model gets it
 */
export function certifiedRadius(
  ensemble: TreeEnsemble,
  row: ArrayLike<number>,
  margin: PositiveMargin,
  terms: CertificateTerms,
): CertifiedRadius {
  const { trees, baseValues } = ensemble;
  const leaves = trees.map((tree) => leavesOf(tree, row, valueOf(ensemble, tree, margin), terms));
  const base = dot(margin.weights, baseValues) - margin.threshold;
  const sign = dot(margin.weights, scoresOf(ensemble, row)) >= margin.threshold ? 1 : -1;
  const slack = slackOf(ensemble, margin);
  const candidates = [...new Set(leaves.flatMap((found) => found.map(({ distance }) => distance)))]
    .filter((distance) => distance > 0)
    .toSorted((a, b) => a - b);
  candidates.push(Infinity);
  const limit = terms.mostCombinations ?? mostCombinations;
  const budget = { left: limit === Infinity ? Infinity : combinationsOfRow };
  const isKept = (distance: number) => verify(leaves, distance, { sign, base, slack, limit, budget });
  // All below `low` are verified, `high` is not; every verified distance is a proof by itself.
  let [low, high] = [-1, candidates.length];
  let isComplete = true;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const found = isKept(candidates[middle] ?? 0);
    if (found.isKept) low = middle;
    else {
      high = middle;
      isComplete = found.isComplete;
    }
  }
  const hasSets = trees.some(({ modes: of }) =>
    of.some((mode) => mode === modes.BRANCH_EQ || mode === modes.BRANCH_NEQ),
  );
  return low < 0
    ? { radius: 0, isExact: false }
    : { radius: candidates[low] ?? 0, isExact: isComplete && !hasSets };
}

const modes = Object.fromEntries(branchModes.map((mode, at) => [mode, at])) as Record<BranchMode, number>;

/** A leaf that a change can reach: what it adds, how far away it is, and the values of mutable columns that lead there. */
interface ReachedLeaf {
  readonly value: number;
  readonly distance: number;
  /** By column, ends included; columns that may not change are infinite. */
  readonly low: Float64Array;
  readonly high: Float64Array;
}

function valueOf(
  ensemble: TreeEnsemble,
  tree: DecisionTree,
  { weights }: PositiveMargin,
): (leaf: number) => number {
  const share = shareOf(ensemble);
  const { targets } = ensemble;
  return (leaf) => share * dot(weights, tree.weights.subarray(leaf * targets, (leaf + 1) * targets));
}

function dot(weights: readonly number[], values: ArrayLike<number>): number {
  return weights.reduce((sum, weight, at) => sum + weight * (values[at] ?? 0), 0);
}

/**
 * What a sum of so many numbers in single precision may be off by the usual bound (terms × 2^-24 × sum of sizes), and a logistic function or softmax at one half. Sizes are
 * those of each target's own: where two nearly equal sums are subtracted, their errors stay.
 */
function slackOf(ensemble: TreeEnsemble, margin: PositiveMargin): number {
  const { trees, targets, baseValues } = ensemble;
  const share = shareOf(ensemble);
  const sizeOf = (values: ArrayLike<number>, from: number): number =>
    margin.weights.reduce((sum, weight, at) => sum + Math.abs(weight * (values[from + at] ?? 0)), 0);
  let all = Math.abs(margin.threshold) + sizeOf(baseValues, 0);
  for (const { weights, modes: of } of trees) {
    let most = 0;
    for (let node = 0; node < of.length; node++) most = Math.max(most, sizeOf(weights, node * targets));
    all += share * most;
  }
  return (trees.length + 4) * 2 ** -24 * all + 2 ** -20;
}

/** Every leaf that a change of mutable columns can reach, the nearest first. */
function leavesOf(
  tree: DecisionTree,
  row: ArrayLike<number>,
  value: (leaf: number) => number,
  { space, precise = false }: CertificateTerms,
): ReachedLeaf[] {
  const reach = space.map((range, column) => reachOf(range, row[column] ?? Number.NaN));
  const found: ReachedLeaf[] = [];
  const visit = (node: number, low: Float64Array, high: Float64Array): void => {
    if (tree.modes[node] === modes.LEAF) {
      const distance = distanceTo(space, row, low, high);
      found.push({ value: value(node), distance, low, high });
      return;
    }
    const column = tree.features[node] ?? 0;
    const own = reach[column];
    if (!own) return visit(nextNode(tree, node, row), low, high);
    for (const holds of [true, false]) {
      const [from, to] = cut(tree, node, holds, precise);
      const least = Math.max(low[column] ?? -Infinity, own.isWhole ? Math.ceil(from) : from);
      const most = Math.min(high[column] ?? Infinity, own.isWhole ? Math.floor(to) : to);
      if (least > most) continue;
      const child = (holds ? tree.whenTrue[node] : tree.whenFalse[node]) ?? 0;
      visit(child, low.with(column, least), high.with(column, most));
    }
  };
  const low = Float64Array.from(reach, (own) => own?.low ?? -Infinity);
  const high = Float64Array.from(reach, (own) => own?.high ?? Infinity);
  visit(0, low, high);
  return found.toSorted((a, b) => a.distance - b.distance);
}

/** The values, ends included, for which a node's condition holds or does not. */
function cut(tree: DecisionTree, node: number, holds: boolean, precise: boolean): readonly [number, number] {
  const threshold = tree.thresholds[node] ?? 0;
  const upTo: readonly [number, number] = [-Infinity, neighbour(threshold, -1, true, precise)];
  const below: readonly [number, number] = [-Infinity, neighbour(threshold, -1, false, precise)];
  const from: readonly [number, number] = [neighbour(threshold, 1, true, precise), Infinity];
  const above: readonly [number, number] = [neighbour(threshold, 1, false, precise), Infinity];
  switch (tree.modes[node]) {
    case modes.BRANCH_LEQ:
      return holds ? upTo : above;
    case modes.BRANCH_LT:
      return holds ? below : from;
    case modes.BRANCH_GTE:
      return holds ? from : below;
    case modes.BRANCH_GT:
      return holds ? above : upTo;
    case modes.BRANCH_EQ:
      return holds ? [threshold, threshold] : [-Infinity, Infinity];
    default:
      return holds ? [-Infinity, Infinity] : [threshold, threshold];
  }
}

/** The nearest number of the row's precision on that side of a threshold, which itself counts or not. */
function neighbour(threshold: number, direction: 1 | -1, isIncluded: boolean, precise: boolean): number {
  if (!Number.isFinite(threshold)) return threshold;
  const rounded = precise ? threshold : Math.fround(threshold);
  const offset = (rounded - threshold) * direction;
  if (offset > 0 || (offset === 0 && isIncluded)) return rounded;
  return nextNumber(rounded, direction, precise);
}

function distanceTo(
  space: MutableSpace,
  row: ArrayLike<number>,
  low: Float64Array,
  high: Float64Array,
): number {
  let most = 0;
  for (const [column, range] of space.entries()) {
    const value = row[column] ?? Number.NaN;
    if (!reachOf(range, value)) continue;
    const away = Math.max((low[column] ?? value) - value, value - (high[column] ?? value));
    most = Math.max(most, away / range.unit);
  }
  return most;
}

interface VerifyTerms {
  readonly sign: number;
  readonly base: number;
  readonly slack: number;
  readonly limit: number;
  readonly budget: { left: number };
}

/** Whether no change below a distance turns the decision; `isComplete`: all combinations were looked at, so that a change does where it is not kept. */
function verify(
  leaves: readonly (readonly ReachedLeaf[])[],
  distance: number,
  { sign, base, slack, limit, budget }: VerifyTerms,
): { readonly isKept: boolean; readonly isComplete: boolean } {
  let groups: readonly (readonly ReachedLeaf[])[] = leaves.map((found) =>
    found.filter((leaf) => leaf.distance < distance),
  );
  const worst = (): number =>
    groups.reduce(
      (sum, group) => sum + group.reduce((least, { value }) => Math.min(least, sign * value), Infinity),
      sign * base,
    );
  for (;;) {
    if (worst() > slack) return { isKept: true, isComplete: true };
    const merged = mergePairs(groups, limit, budget);
    if (!merged) return { isKept: false, isComplete: groups.length <= 1 };
    groups = merged;
  }
}

/** Each two neighbouring groups as one, of leaves that some row reaches both; `undefined` where no two are small enough. */
function mergePairs(
  groups: readonly (readonly ReachedLeaf[])[],
  limit: number,
  budget: { left: number },
): (readonly ReachedLeaf[])[] | undefined {
  const sorted = groups.toSorted((a, b) => a.length - b.length);
  const merged: (readonly ReachedLeaf[])[] = [];
  let hasMerged = false;
  for (let at = 0; at < sorted.length; at += 2) {
    const [first, second] = [sorted[at] ?? [], sorted[at + 1]];
    if (!second) merged.push(first);
    else if (first.length * second.length > Math.min(limit, budget.left)) merged.push(first, second);
    else {
      budget.left -= first.length * second.length;
      merged.push(combine(first, second));
      hasMerged = true;
    }
  }
  return hasMerged ? merged : undefined;
}

function combine(first: readonly ReachedLeaf[], second: readonly ReachedLeaf[]): ReachedLeaf[] {
  return first.flatMap((one) =>
    second.flatMap((other) => {
      if (!meet(one, other)) return [];
      const low = one.low.map((value, column) => Math.max(value, other.low[column] ?? value));
      const high = one.high.map((value, column) => Math.min(value, other.high[column] ?? value));
      const distance = Math.max(one.distance, other.distance);
      return [{ value: one.value + other.value, distance, low, high }];
    }),
  );
}

function meet(one: ReachedLeaf, other: ReachedLeaf): boolean {
  for (let column = 0; column < one.low.length; column++) {
    const low = Math.max(one.low[column] ?? 0, other.low[column] ?? 0);
    if (low > Math.min(one.high[column] ?? 0, other.high[column] ?? 0)) return false;
  }
  return true;
}
