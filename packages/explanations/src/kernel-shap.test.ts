import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exactColumns, type KernelTerms, kernelShap } from "./kernel-shap.ts";

/** A model as a function of one row. */
const scored =
  (columns: number, score: (row: readonly number[]) => readonly number[]) =>
  (rows: Float64Array): Promise<Float64Array> => {
    const found = Array.from({ length: rows.length / columns }, (_, at) =>
      score([...rows.subarray(at * columns, (at + 1) * columns)]),
    );
    return Promise.resolve(Float64Array.from(found.flat()));
  };

function terms(columns: number, targets: number, background: readonly number[]): KernelTerms {
  return { columns, targets, background: Float64Array.from(background), seed: 7 };
}

const number = fc.double({ min: -10, max: 10, noNaN: true });

describe("Shapley values of any model", () => {
  test("of a weighted sum are its closed form, weight times distance from the background's mean: exactly, and as exactly from drawn coalitions", async () => {
    for (const columns of [1, 3, exactColumns, 13, 30]) {
      const weights = Array.from({ length: columns }, (_, at) => ((at * 7) % 11) - 5);
      const background = Array.from({ length: columns * 4 }, (_, at) => ((at * 13) % 17) / 3);
      const row = Array.from({ length: columns }, (_, at) => (at * 5) % 9);
      const model = scored(columns, (one) => [
        one.reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 2),
      ]);
      const { values, expected } = await kernelShap(row, terms(columns, 1, background), model);
      const means = row.map(
        (_, at) => [0, 1, 2, 3].reduce((sum, one) => sum + (background[one * columns + at] ?? 0), 0) / 4,
      );
      for (const [at, weight] of weights.entries())
        expect(values[at]).toBeCloseTo(weight * ((row[at] ?? 0) - (means[at] ?? 0)), 8);
      expect(expected[0]).toBeCloseTo(
        means.reduce((sum, mean, at) => sum + mean * (weights[at] ?? 0), 2),
        10,
      );
    }
  });

  test("of products are shared evenly, and add up to each target's score", async () => {
    const model = scored(3, ([a = 0, b = 0, c = 0]) => [a * b * c, a + Math.max(b, c)]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(number, { minLength: 3, maxLength: 3 }),
        fc.array(number, { minLength: 6, maxLength: 6 }),
        async (row, background) => {
          const { values, expected } = await kernelShap(row, terms(3, 2, background), model);
          const score = await model(Float64Array.from(row));
          for (const target of [0, 1]) {
            const moved = [0, 1, 2].reduce((sum, column) => sum + (values[column * 2 + target] ?? 0), 0);
            expect(moved + (expected[target] ?? 0)).toBeCloseTo(score[target] ?? 0, 8);
          }
        },
      ),
    );
    const { values } = await kernelShap([2, 2, 2], terms(3, 2, [0, 0, 0]), model);
    expect([values[0], values[2], values[4]].map((value) => value?.toFixed(9))).toEqual(
      Array(3).fill((8 / 3).toFixed(9)),
    );
  });

  test("from drawn coalitions are near those of all, the same every time, and add up", async () => {
    const columns = 14;
    const model = scored(columns, (row) => [
      row.reduce((sum, value, at) => sum + value * (row[(at + 1) % columns] ?? 0) * (at % 3), 0) +
        Math.sin(row[0] ?? 0),
    ]);
    const row = Array.from({ length: columns }, (_, at) => ((at * 5) % 7) / 3);
    const asked = terms(
      columns,
      1,
      Array.from({ length: columns * 3 }, (_, at) => ((at * 11) % 5) / 5),
    );
    const found = await kernelShap(row, asked, model);
    expect(await kernelShap(row, asked, model)).toEqual(found);
    const [score = 0] = await model(Float64Array.from(row));
    expect(found.values.reduce((sum, value) => sum + value, 0) + (found.expected[0] ?? 0)).toBeCloseTo(
      score,
      9,
    );
    // The model's own values: a sum of terms of two neighbours and one column, each shared by those that it has.
    const size = Math.max(...found.values.map(Math.abs));
    const other = await kernelShap(row, { ...asked, seed: 8 }, model);
    for (const [at, value] of found.values.entries())
      expect(Math.abs(value - (other.values[at] ?? 0))).toBeLessThan(0.05 * size);
  });
});
