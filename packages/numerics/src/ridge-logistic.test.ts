import { expect, test } from "vitest";
import { cooksDistances, fitRidgeLogistic, logisticProbability, seededRandom } from "./index.ts";

function tableOf(rows: number, seed: number) {
  const random = seededRandom(seed);
  const values = Float64Array.from({ length: rows * 2 }, () => 4 * random() - 2);
  const labels = Uint8Array.from({ length: rows }, (_, row) =>
    Number((values[row * 2] ?? 0) + 2 * random() > 1),
  );
  return { values, width: 2, labels };
}

test("Cook's distance names the rows whose leaving out moves the fit most, by about how much", () => {
  const table = tableOf(80, 3);
  table.labels[5] = 0;
  table.values.set([4, 4], 10);
  const fit = fitRidgeLogistic(table, 1);
  const distances = cooksDistances(table, fit);
  const odds = (weights: Float64Array, row: number) => {
    const p = logisticProbability(weights, table.values, row);
    return Math.log(p / (1 - p));
  };
  const exact = Array.from(table.labels, (_, out) => {
    const kept = [...table.labels.keys()].filter((row) => row !== out);
    const values = Float64Array.from(kept.flatMap((row) => [...table.values.subarray(row * 2, row * 2 + 2)]));
    const { weights } = fitRidgeLogistic(
      { values, width: 2, labels: Uint8Array.from(kept, (row) => table.labels[row] ?? 0) },
      1,
    );
    // What its leaving out moves every row's log odds by, in the metric of the rows' own weights, and the ridge's share.
    let moved = 0;
    for (const row of table.labels.keys()) {
      const p = logisticProbability(fit.weights, table.values, row);
      moved += p * (1 - p) * (odds(fit.weights, row) - odds(weights, row)) ** 2;
    }
    for (const column of [0, 1]) moved += ((fit.weights[column] ?? 0) - (weights[column] ?? 0)) ** 2;
    return moved / 3;
  });
  const largest = (values: ArrayLike<number>) =>
    Array.from(values, (value, row) => ({ value, row })).toSorted((a, b) => b.value - a.value)[0]?.row;
  expect(largest(distances)).toBe(5);
  expect(largest(exact)).toBe(5);
  for (const [row, one] of exact.entries())
    if (row !== 5 && one > 0.005) expect((distances[row] ?? 0) / one).toBeCloseTo(1, 0);
});

test("separable classes have an answer, and one class alone is refused", () => {
  const values = Float64Array.of(-2, -1, 1, 2);
  const { weights } = fitRidgeLogistic({ values, width: 1, labels: Uint8Array.of(0, 0, 1, 1) }, 0.1);
  expect(weights[0]).toBeGreaterThan(1);
  expect(weights[1]).toBeCloseTo(0, 10);
  expect(() => fitRidgeLogistic({ values, width: 1, labels: Uint8Array.of(1, 1, 1, 1) }, 1)).toThrow(
    RangeError,
  );
  expect(() => fitRidgeLogistic({ values, width: 1, labels: Uint8Array.of(0, 0, 1, 1) }, 0)).toThrow(
    RangeError,
  );
});
