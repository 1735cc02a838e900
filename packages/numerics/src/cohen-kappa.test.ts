import { expect, test } from "vitest";
import { cohenKappa } from "./cohen-kappa.ts";

/** Pairs of a table of counts: row is what the first rater said, column what the second did. */
const pairsOf = (table: readonly (readonly number[])[]): [number, number][] =>
  table.flatMap((row, a) =>
    row.flatMap((count, b) => Array.from({ length: count }, (): [number, number] => [a, b])),
  );

test.each([
  // cohen_kappa_score of scikit-learn 1.9.1; limits of cohens_kappa of statsmodels 0.15.0.
  [
    [
      [20, 5],
      [10, 15],
    ],
    0.4,
    0.151092290476661,
    0.6489077095233389,
  ],
  [
    [
      [25, 3, 2],
      [4, 30, 6],
      [1, 5, 24],
    ],
    0.6827794561933533,
    0.5616953754934969,
    0.8038635368932102,
  ],
  [
    [
      [40, 9],
      [6, 5],
    ],
    0.24496644295302017,
    -0.03789601871503326,
    0.5278289046210731,
  ],
  // Its lower limit there is -1.36, which no κ is.
  [
    [
      [0, 4],
      [3, 0],
    ],
    -0.9600000000000002,
    -1,
    -0.5576205873293156,
  ],
])("κ of %j and its interval are those of scikit-learn and statsmodels", (table, value, low, high) => {
  const kappa = cohenKappa(pairsOf(table));
  expect(kappa.value).toBeCloseTo(value, 12);
  expect(kappa.interval?.low).toBeCloseTo(low, 8);
  expect(kappa.interval?.high).toBeCloseTo(high, 8);
});

test("raters who always say the same one thing, and no raters, have no κ", () => {
  expect(
    cohenKappa([
      ["yes", "yes"],
      ["yes", "yes"],
    ]),
  ).toEqual({ value: undefined });
  expect(cohenKappa([])).toEqual({ value: undefined });
});
