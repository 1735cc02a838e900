import { readFileSync } from "node:fs";
import { quantile } from "@portolan/numerics";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cellCount, cellLabels } from "./cells.ts";
import { DriftCounter } from "./drift-counter.ts";
import {
  bins,
  fewestRowsOfLevel,
  levelsReference,
  mostLevels,
  numericReference,
} from "./reference-profile.ts";

const place = { tensor: "x", column: 0, name: "x" };

interface Golden {
  readonly cases: readonly {
    readonly name: string;
    readonly values: readonly number[];
    readonly quantiles: readonly number[];
    readonly sample: readonly number[];
    readonly counts: readonly number[];
  }[];
}
const golden = JSON.parse(
  readFileSync(new URL("./numpy-quantiles.golden.json", import.meta.url), "utf8"),
) as Golden;

test.each(golden.cases)("edges are numpy's quantiles to the bit: $name", ({ values, quantiles }) => {
  const sorted = Float64Array.from(values).sort();
  const ours = quantiles.map((_, at) => quantile(sorted, at / bins));
  expect(ours.map((edge, at) => Object.is(edge, quantiles[at]))).toEqual(quantiles.map(() => true));
  const { lowerBounds, maximum } = numericReference(place, [...values]);
  expect(maximum).toBe(Math.max(...values));
  if (new Set(values).size > bins) expect(lowerBounds).toEqual([...new Set(quantiles)]);
});

test.each(golden.cases)(
  "counts on those edges are numpy's histogram: $name",
  ({ values, sample, counts }) => {
    const column = numericReference(place, [...values]);
    const isQuantiles = new Set(values).size > bins;
    const counted = new Uint32Array(cellCount(column));
    const counter = new DriftCounter({ inputs: [column], outputs: [] });
    counter.count(counted, sample.length, [{ name: "x", data: sample }], []);
    if (isQuantiles) expect([...counted]).toEqual(counts);
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(sample.length);
  },
);

test("few values have a cell each, a constant has one, nothing finite has none", () => {
  expect(numericReference(place, [3, 1, 2, 2, 1, 1])).toMatchObject({
    lowerBounds: [1, 2, 3],
    maximum: 3,
    counts: [0, 3, 2, 1, 0, 0, 0, 0, 0],
  });
  expect(numericReference(place, [7, 7, 7])).toMatchObject({ lowerBounds: [7], maximum: 7 });
  const gaps = [null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null];
  expect(numericReference(place, gaps)).toMatchObject({
    lowerBounds: [],
    maximum: null,
    counts: [0, 0, 2, 1, 1, 1],
  });
});

test("a value that most rows share gets a cell with what follows it, and no empty cells", () => {
  const values = [...Array.from({ length: 70 }, () => -1), ...Array.from({ length: 30 }, (_, i) => i)];
  const column = numericReference(place, values);
  expect(column.lowerBounds[0]).toBe(-1);
  expect(column.lowerBounds).toHaveLength(new Set(column.lowerBounds).size);
  expect(column.counts.slice(1, 1 + column.lowerBounds.length).every((count) => count > 0)).toBe(true);
  expect(cellLabels(column)).toHaveLength(cellCount(column));
});

test("levels are the frequent ones, in an order that does not depend on the rows'; rare ones are nobody's name", () => {
  const rare = Array.from({ length: fewestRowsOfLevel - 1 }, () => "one person");
  const values = ["b", "a", "b", "a", null, "b", "a", "b", "a", "b", "a", ...rare];
  const column = levelsReference(place, values);
  expect(column).toMatchObject({ levels: ["a", "b"], counts: [5, 5, rare.length, 1] });
  expect(levelsReference(place, values.toReversed())).toEqual(column);
  const many = Array.from({ length: 500 }, (_, i) => Array.from({ length: 5 }, () => `l${i}`)).flat();
  expect(levelsReference(place, many).levels).toHaveLength(mostLevels);
});

test("each row of the reference is in exactly one cell, and in the one that it is counted into later", () => {
  const value = fc.oneof(
    fc.double(),
    fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0),
    fc.integer({ min: -3, max: 3 }),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), (values) => {
      const column = numericReference(place, values);
      expect(column.counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
      const counted = new Uint32Array(cellCount(column));
      new DriftCounter({ inputs: [column], outputs: [] }).count(
        counted,
        values.length,
        [{ name: "x", data: values.map((one) => one ?? Number.NaN) }],
        [],
        (row) => values[row] === null,
      );
      expect([...counted]).toEqual(column.counts);
      // What travels as JSON is what was counted with.
      expect(JSON.parse(JSON.stringify(column))).toEqual(column);
    }),
  );
});
