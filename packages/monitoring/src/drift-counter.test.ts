import fc from "fast-check";
import { expect, test } from "vitest";
import { cellCount } from "./cells.ts";
import { DriftCounter, splitCounts } from "./drift-counter.ts";
import { levelsReference, numericReference } from "./reference-profile.ts";
import { nextSampling } from "./sampling.ts";
import { windowMicros, windowStartOf } from "./window.ts";

const numeric = (tensor: string, column: number, values: number[]) =>
  numericReference({ tensor, column, name: `${tensor}.${column}` }, values);
const inputs = [
  numeric("x", 0, [1, 2, 3]),
  numeric("x", 1, [10, 20]),
  levelsReference({ tensor: "place", column: 0, name: "place" }, ["SFO", "SFO", "SFO", "SFO", "SFO"]),
];
const outputs = [numeric("label", 0, [0, 1])];
const profile = { inputs, outputs };

test("each column of each tensor has its own cells; 64-bit labels and new levels are counted too", () => {
  const counter = new DriftCounter(profile);
  const counts = new Uint32Array(counter.cells);
  counter.count(
    counts,
    2,
    [
      { name: "place", data: ["SFO", "OAK"] },
      { name: "x", data: Float32Array.from([2, 15, 9, 20]) },
    ],
    [{ name: "label", data: BigInt64Array.from([1n, 1n]) }],
  );
  const byName = Object.fromEntries(
    splitCounts([...inputs, ...outputs], [...counts]).map(({ column, counts: cells }) => [
      column.name,
      cells,
    ]),
  );
  expect(byName).toEqual({
    "x.0": [0, 0, 1, 0, 1, 0, 0, 0, 0],
    "x.1": [0, 1, 1, 0, 0, 0, 0, 0],
    place: [1, 1, 0],
    "label.0": [0, 0, 2, 0, 0, 0, 0, 0],
  });
});

test("a stand-in for an absent value is counted as absent, whatever it is", () => {
  const counter = new DriftCounter(profile);
  const counts = new Uint32Array(counter.cells);
  counter.count(counts, 1, [{ name: "x", data: [2, 15] }], [], (_row, input) => input === 1);
  const [first, second] = splitCounts(inputs, [...counts]);
  expect(first?.counts[2]).toBe(1);
  expect(second?.counts).toEqual([0, 0, 0, 0, 1, 0, 0, 0]);
});

test("an output that is missing or narrower than the profile leaves its cells alone", () => {
  const counter = new DriftCounter(profile);
  const counts = new Uint32Array(counter.cells);
  counter.count(counts, 1, [{ name: "x", data: [2] }], []);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1);
});

/** What any number of processes counted, added up in any order, is what one would have counted. */
test("counts add up to the same whatever process a row meets and whatever order they are added in", () => {
  const row = fc.tuple(fc.double(), fc.double(), fc.constantFrom("SFO", "OAK"), fc.nat(4));
  fc.assert(
    fc.property(fc.array(row, { maxLength: 60 }), fc.infiniteStream(fc.nat()), (rows, order) => {
      const counter = new DriftCounter(profile);
      const processes = Array.from({ length: 5 }, () => new Uint32Array(counter.cells));
      const alone = new Uint32Array(counter.cells);
      for (const [a, b, level, process] of rows) {
        const tensors = [
          { name: "x", data: [a, b] },
          { name: "place", data: [level] },
        ];
        const [label] = [{ name: "label", data: [process % 2] }];
        counter.count(alone, 1, tensors, [label]);
        counter.count(processes[process] ?? alone, 1, tensors, [label]);
      }
      const shuffled = processes
        .map((counts) => ({ counts, key: order.next().value ?? 0 }))
        .toSorted((one, other) => one.key - other.key);
      const sum = new Uint32Array(counter.cells);
      for (const { counts } of shuffled)
        counts.forEach((count, cell) => (sum[cell] = (sum[cell] ?? 0) + count));
      expect(sum).toEqual(alone);
    }),
  );
});

test("a lagging event loop halves what is counted, down to one of 64, and a calm one doubles it again", () => {
  expect(nextSampling(1, 80, 50)).toBe(2);
  expect(nextSampling(64, 80, 50)).toBe(64);
  expect(nextSampling(8, 40, 50)).toBe(8);
  expect(nextSampling(8, 5, 50)).toBe(4);
  expect(nextSampling(1, 0, 50)).toBe(1);
  expect(nextSampling(1, 9999, 0), "unless every request is to be counted").toBe(1);
});

test("windows are aligned to the epoch, before it too", () => {
  expect(windowStartOf(windowMicros + 1)).toBe(windowMicros);
  expect(windowStartOf(-1)).toBe(-windowMicros);
  expect(cellCount(inputs[0] ?? numeric("x", 0, []))).toBe(9);
});
