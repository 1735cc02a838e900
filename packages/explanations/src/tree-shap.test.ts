import { type DecisionTree, readTreeEnsemble, type TreeEnsemble } from "@portolan/onnx-format";
import { treesModel } from "@portolan/onnx-format/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TreeShap } from "./tree-shap.ts";
import { countCovers, fractionOf, nextNode, scoresOf, shareOf } from "./walk-trees.ts";

function ensembleOf(trees: number, columns: number, depth: number): TreeEnsemble {
  const read = readTreeEnsemble(treesModel(trees, columns, depth));
  if (!read) throw new Error("no trees");
  return read;
}

function rowsOf(seed: number, count: number, columns: number, gaps: boolean): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count * columns }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return gaps && state % 11 === 0 ? Number.NaN : state / 2 ** 32;
  });
}

/** The game's own definition: the mean score where only the columns of `known` are, by the background's shares elsewhere. */
function meanScore(
  ensemble: TreeEnsemble,
  covers: readonly Float64Array[],
  row: Float32Array,
  known: number,
): number[] {
  const { trees, targets, baseValues } = ensemble;
  const sum = Array.from(baseValues);
  const follow = (tree: DecisionTree, cover: Float64Array, node: number, part: number): void => {
    if (tree.modes[node] === 0) {
      for (let target = 0; target < targets; target++)
        sum[target] =
          (sum[target] ?? 0) + part * shareOf(ensemble) * (tree.weights[node * targets + target] ?? 0);
      return;
    }
    if ((known >> (tree.features[node] ?? 0)) & 1)
      return follow(tree, cover, nextNode(tree, node, row), part);
    for (const child of [tree.whenTrue[node] ?? 0, tree.whenFalse[node] ?? 0])
      follow(tree, cover, child, part * fractionOf(cover, node, child));
  };
  for (const [at, tree] of trees.entries()) follow(tree, covers[at] ?? new Float64Array(0), 0, 1);
  return sum;
}

/** Shapley's formula over all subsets. */
function bruteForce(
  ensemble: TreeEnsemble,
  covers: readonly Float64Array[],
  row: Float32Array,
  columns: number,
): number[] {
  const { targets } = ensemble;
  const worth = Array.from({ length: 2 ** columns }, (_, known) => meanScore(ensemble, covers, row, known));
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
  const values = Array.from({ length: columns * targets }, () => 0);
  for (let column = 0; column < columns; column++)
    for (let known = 0; known < 2 ** columns; known++) {
      if ((known >> column) & 1) continue;
      const size = known.toString(2).replaceAll("0", "").length;
      const weight = (factorial(size) * factorial(columns - size - 1)) / factorial(columns);
      for (let target = 0; target < targets; target++) {
        const gain = (worth[known | (1 << column)]?.[target] ?? 0) - (worth[known]?.[target] ?? 0);
        values[column * targets + target] = (values[column * targets + target] ?? 0) + weight * gain;
      }
    }
  return values;
}

describe("Shapley values of trees", () => {
  test("are Shapley's formula over all subsets of columns, with repeated columns, gaps and branches that no background row takes", () => {
    const shapes = fc.record({
      trees: fc.integer({ min: 1, max: 3 }),
      columns: fc.integer({ min: 1, max: 6 }),
      depth: fc.integer({ min: 1, max: 5 }),
      background: fc.integer({ min: 1, max: 30 }),
      seed: fc.integer({ min: 1, max: 1e9 }),
      gaps: fc.boolean(),
    });
    fc.assert(
      fc.property(shapes, ({ trees, columns, depth, background, seed, gaps }) => {
        const ensemble = ensembleOf(trees, columns, depth);
        const covers = countCovers(ensemble, rowsOf(seed, background, columns, gaps), columns);
        const row = rowsOf(seed + 1, 1, columns, gaps);
        const { values } = new TreeShap(ensemble, covers, columns).explain(row);
        const expected = bruteForce(ensemble, covers, row, columns);
        for (const [at, value] of expected.entries()) expect(values[at]).toBeCloseTo(value, 12);
      }),
      { numRuns: 200 },
    );
  });

  test("add up to the score, and one object explains row after row", () => {
    const [columns, background] = [30, 500];
    const ensemble = ensembleOf(100, columns, 6);
    const covers = countCovers(ensemble, rowsOf(7, background, columns, true), columns);
    const shap = new TreeShap(ensemble, covers, columns);
    const rows = rowsOf(8, 20, columns, true);
    for (let at = 0; at < 20; at++) {
      const row = rows.subarray(at * columns, (at + 1) * columns);
      const { values, expected } = shap.explain(row);
      for (let target = 0; target < ensemble.targets; target++) {
        const moved = values.reduce(
          (sum, value, index) => (index % ensemble.targets === target ? sum + value : sum),
          0,
        );
        expect(moved + (expected[target] ?? 0)).toBeCloseTo(scoresOf(ensemble, row)[target] ?? 0, 10);
      }
      expect(shap.explain(row).values).toEqual(values);
    }
  });

  test("of a column that no tree looks at are 0", () => {
    const ensemble = ensembleOf(5, 4, 3);
    const covers = countCovers(ensemble, rowsOf(3, 50, 6, false), 6);
    const { values } = new TreeShap(ensemble, covers, 6).explain(rowsOf(4, 1, 6, false));
    expect([...values.subarray(4 * ensemble.targets)]).toEqual([0, 0, 0, 0]);
  });

  test("want rows that have the columns that the trees look at", () => {
    const ensemble = ensembleOf(50, 6, 4);
    expect(() => new TreeShap(ensemble, [], 5)).toThrow(/the trees look at 6 columns, a row has 5/);
  });
});
