import { seededRandom } from "@portolan/numerics";
import { readTreeEnsemble, type TreeEnsemble } from "@portolan/onnx-format";
import { treesModel } from "@portolan/onnx-format/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attackRows, type DecideRows, queriesPerRow } from "./boundary-attack.ts";
import { certifiedRadius, type PositiveMargin } from "./certified-radius.ts";
import { type ColumnRange, distanceBetween, drawRows, spaceOf } from "./mutable-space.ts";
import { nextNumber } from "./next-number.ts";
import { scoresOf } from "./walk-trees.ts";

function ensembleOf(trees: number, columns: number, depth: number): TreeEnsemble {
  const read = readTreeEnsemble(treesModel(trees, columns, depth));
  if (!read) throw new Error("no trees");
  return read;
}

/** The model's vote for its second class against its first. */
const margin: PositiveMargin = { weights: [-1, 1], threshold: 0 };
const leadOf = (ensemble: TreeEnsemble, row: ArrayLike<number>): number => {
  const scores = scoresOf(ensemble, row);
  return (scores[1] ?? 0) - (scores[0] ?? 0);
};
const decideBy =
  (ensemble: TreeEnsemble, width: number): DecideRows =>
  async (rows, count) =>
    Uint8Array.from({ length: count }, (_, at) =>
      Number(leadOf(ensemble, rows.subarray(at * width, (at + 1) * width)) >= 0),
    );

const free: ColumnRange = { isMutable: true, low: 0, high: 1, unit: 0.25, isWhole: false };
const row3 = fc
  .array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 })
  .map((values) => Float32Array.from(values));

/** The nearest change by looking at every cell between neighbouring thresholds: what is exact, and slow. */
function bruteForce(ensemble: TreeEnsemble, row: Float32Array, space: readonly ColumnRange[]): number {
  const values = space.map((range, column) => {
    if (!range.isMutable) return [row[column] ?? 0];
    const cuts = ensemble.trees.flatMap((tree) =>
      Array.from(tree.thresholds).filter(
        (_, node) => tree.modes[node] !== 0 && tree.features[node] === column,
      ),
    );
    const near = cuts.flatMap((cut) => [cut, nextNumber(cut, 1, false), nextNumber(cut, -1, false)]);
    return [...new Set([row[column] ?? 0, ...near])].filter(
      (value) => value >= range.low && value <= range.high,
    );
  });
  const before = leadOf(ensemble, row) >= 0;
  let nearest = Infinity;
  const changed = Float32Array.from(row);
  const visit = (column: number): void => {
    if (column === space.length) {
      if (leadOf(ensemble, changed) >= 0 !== before)
        nearest = Math.min(nearest, distanceBetween(space, row, changed));
      return;
    }
    for (const value of values[column] ?? []) {
      changed[column] = value;
      visit(column + 1);
    }
  };
  visit(0);
  return nearest;
}

describe("the certified radius", () => {
  test("of one tree is the distance of the nearest change, as brute force finds it", () => {
    const ensemble = ensembleOf(1, 3, 4);
    const space = [free, { ...free, unit: 0.5 }, free];
    fc.assert(
      fc.property(row3, (row) => {
        const { radius, isExact } = certifiedRadius(ensemble, row, margin, { space });
        expect(isExact).toBe(true);
        expect(radius).toBe(bruteForce(ensemble, row, space));
      }),
      { numRuns: 100 },
    );
  });

  test("of several trees is exact where all combinations are looked at, and never beyond it where they are not", () => {
    const ensemble = ensembleOf(6, 3, 3);
    const space = [free, free, { ...free, isMutable: false }];
    let [isCloser, exact] = [false, 0];
    fc.assert(
      fc.property(row3, (row) => {
        const nearest = bruteForce(ensemble, row, space);
        const all = certifiedRadius(ensemble, row, margin, { space, mostCombinations: Infinity });
        const few = certifiedRadius(ensemble, row, margin, { space, mostCombinations: 0 });
        if (all.isExact) {
          expect(all.radius).toBe(nearest);
          exact += 1;
        }
        expect(all.radius).toBeLessThanOrEqual(nearest);
        expect(few.radius).toBeLessThanOrEqual(all.radius);
        isCloser ||= few.radius < all.radius;
      }),
      { numRuns: 60, seed: 5 },
    );
    expect(exact).toBeGreaterThan(40);
    expect(isCloser).toBe(true);
  });

  test("a column that may not change turns nothing, and a whole one moves by whole numbers", () => {
    const ensemble = ensembleOf(3, 3, 3);
    const fixed = [free, free, free].map((range) => ({ ...range, isMutable: false }));
    const row = Float32Array.of(0.2, 0.4, 0.6);
    expect(certifiedRadius(ensemble, row, margin, { space: fixed })).toEqual({
      radius: Infinity,
      isExact: true,
    });
    const whole = [free, free, free].map((range) => ({ ...range, isWhole: true, unit: 1 }));
    const { radius } = certifiedRadius(ensemble, Float32Array.of(0, 1, 0), margin, { space: whole });
    expect(radius === Infinity || radius === 1).toBe(true);
  });
});

describe("the attack", () => {
  test("never beats a certificate, and what it finds turns the decision within the space", async () => {
    const random = seededRandom(11);
    for (const [trees, depth] of [
      [1, 4],
      [5, 3],
      [30, 4],
    ] as const) {
      const ensemble = ensembleOf(trees, 4, depth);
      const space = [free, { ...free, unit: 0.1 }, free, { ...free, isMutable: false }];
      const rows = Float32Array.from({ length: 80 }, random);
      const decide = decideBy(ensemble, 4);
      const found = await attackRows(decide, rows, { space, seed: 3, donors: rows, rounds: 6 });
      let turned = 0;
      for (const [at, { distance, changed }] of found.entries()) {
        const row = rows.subarray(at * 4, at * 4 + 4);
        const { radius } = certifiedRadius(ensemble, row, margin, { space });
        expect(distance).toBeGreaterThanOrEqual(radius);
        if (!changed) continue;
        turned += 1;
        expect(leadOf(ensemble, changed) >= 0).not.toBe(leadOf(ensemble, row) >= 0);
        expect(changed[3]).toBe(row[3]);
        expect(distance).toBe(distanceBetween(space, row, changed));
        expect(changed.every((value) => value >= 0 && value <= 1)).toBe(true);
      }
      expect(turned).toBeGreaterThan(5);
    }
  });

  test("of a linear model comes within a fifth of the distance that its weights say, for nine of ten rows", async () => {
    const weights = [3, -2, 1, 0.5];
    const lead = (row: ArrayLike<number>): number =>
      weights.reduce((sum, weight, at) => sum + weight * ((row[at] ?? 0) - 0.5), 0);
    let asked = 0;
    const decide: DecideRows = async (rows, count) => {
      asked += count;
      return Array.from({ length: count }, (_, at) => Number(lead(rows.subarray(at * 4, at * 4 + 4)) >= 0));
    };
    const wide = { ...free, low: -4, high: 5, unit: 1 };
    const space = [wide, wide, wide, wide];
    const rows = Float32Array.from({ length: 160 }, seededRandom(2));
    const found = await attackRows(decide, rows, { space, seed: 1, donors: rows });
    const ratios = found.map(({ distance }, at) => {
      const exact = Math.abs(lead(rows.subarray(at * 4, at * 4 + 4))) / 6.5;
      expect(distance).toBeGreaterThan(exact * 0.999);
      return distance / exact;
    });
    expect(asked).toBeLessThanOrEqual(40 * queriesPerRow);
    expect(asked).toBeGreaterThan(30 * queriesPerRow);
    expect(ratios.filter((ratio) => ratio < 1.2).length).toBeGreaterThanOrEqual(36);
  });

  test("the same seed finds the same changes; gaps and whole columns are left what they are", async () => {
    const ensemble = ensembleOf(5, 3, 3);
    const space = [{ ...free, isWhole: true }, free, free];
    const rows = Float32Array.from({ length: 30 }, (_, at) => (at % 3 === 0 ? at % 2 : ((at * 7) % 10) / 10));
    rows[1] = Number.NaN;
    const attack = () => attackRows(decideBy(ensemble, 3), rows, { space, seed: 9, donors: rows, rounds: 3 });
    const found = await attack();
    expect(await attack()).toEqual(found);
    expect(found[0]?.changed?.[1] ?? Number.NaN).toBeNaN();
    for (const { changed } of found) if (changed) expect(Number.isInteger(changed[0])).toBe(true);
  });
});

test("the space is what reference rows show: ends, standard deviation, and whether all are whole", () => {
  const rows = Float32Array.of(1, 0.5, 7, 3, 1.5, 7, 5, Number.NaN, 7);
  const [first, second, third] = spaceOf(rows, [true, true, true]);
  expect(first).toMatchObject({ isMutable: true, low: 1, high: 5, isWhole: true });
  expect(first?.unit).toBeCloseTo(Math.sqrt(8 / 3), 12);
  expect(second).toMatchObject({ low: 0.5, high: 1.5, unit: 0.5, isWhole: false });
  expect(third?.isMutable).toBe(false);
  expect(new Set(drawRows(50, 20, 1)).size).toBe(20);
  expect(drawRows(3, 20, 1).toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
});
