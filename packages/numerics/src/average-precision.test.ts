import fc from "fast-check";
import { expect, test } from "vitest";
import {
  averagePrecision,
  averagePrecisionInterval,
  bcaInterval,
  bootstrapAveragePrecision,
  bootstrapSums,
  type ScoredSet,
  seededRandom,
} from "./index.ts";

const options = { seed: 1, replicates: 499, mostUnits: 4096 };

function setOf(rows: readonly (readonly [score: number, label: number])[]): ScoredSet {
  return {
    scores: Float64Array.from(rows, ([score]) => score),
    labels: Uint8Array.from(rows, ([, label]) => label),
  };
}

/** Scores on a coarse grid, so that many tie. */
const rowsOf = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 1 })), {
    minLength: 3,
    maxLength: 40,
  })
  .filter((rows) => rows.filter(([, label]) => label === 1).length > 1);

/** The definition: recall gained at each score, times the precision of all rows from it up. */
function byDefinition(rows: readonly (readonly [number, number])[]): number {
  const positives = rows.filter(([, label]) => label === 1).length;
  return [...new Set(rows.map(([score]) => score))].reduce((sum, score) => {
    const from = rows.filter(([one]) => one >= score);
    const own = rows.filter(([one, label]) => one === score && label === 1).length;
    return sum + ((own / positives) * from.filter(([, label]) => label === 1).length) / from.length;
  }, 0);
}

test("the value is its definition's, whatever the order of the rows", () => {
  fc.assert(
    fc.property(rowsOf, fc.infiniteStream(fc.nat()), (rows, keys) => {
      const { value } = averagePrecision(setOf(rows));
      expect(value).toBeCloseTo(byDefinition(rows), 12);
      const mixed = rows.map((row) => [keys.next().value ?? 0, row] as const).sort(([a], [b]) => a - b);
      expect(averagePrecision(setOf(mixed.map(([, row]) => row))).value).toBeCloseTo(value, 12);
    }),
  );
});

test("the influence of a row is what a copy of it moves the value by, in the limit of many rows", () => {
  fc.assert(
    fc.property(rowsOf, fc.nat(), (rows, at) => {
      const row = rows[at % rows.length];
      if (!row) throw new Error("no row");
      const { value, influence } = averagePrecision(setOf(rows));
      const copies = 2000;
      const many = Array.from({ length: copies }, () => rows).flat();
      const moved = (averagePrecision(setOf([...many, row])).value - value) * copies;
      expect(influence[at % rows.length]).toBeCloseTo(moved, 2);
      expect(influence.reduce((sum, one) => sum + one, 0)).toBeCloseTo(0, 10);
    }),
    { numRuns: 25 },
  );
});

function drawn(size: number, seed: number, signal = 1): ScoredSet {
  const random = seededRandom(seed);
  const labels = Uint8Array.from({ length: size }, () => Number(random() < 0.2));
  return { labels, scores: Float64Array.from(labels, (label) => signal * 0.3 * label + random()) };
}

test("each resample has the value of the rows that the seed draws", () => {
  const set = drawn(50, 3);
  const found = bootstrapAveragePrecision(set, options);
  expect(found.estimate).toBe(averagePrecision(set).value);
  // The same resamples by hand.
  const replay = seededRandom(options.seed);
  const again = Array.from({ length: options.replicates }, () => {
    const rows = Array.from({ length: 50 }, () => Math.floor(replay() * 50));
    return byDefinition(rows.map((row) => [set.scores[row] ?? 0, set.labels[row] ?? 0] as const));
  }).sort((a, b) => a - b);
  found.replicates.forEach((value, at) => expect(value).toBeCloseTo(again[at] ?? Number.NaN, 10));
});

test("both intervals cover the value of the population about as often as they say", () => {
  const { value } = averagePrecision(drawn(200_000, 99));
  const covered = { bootstrap: 0, normal: 0 };
  for (let seed = 0; seed < 200; seed++) {
    const set = drawn(300, seed + 1000);
    const isIn = ({ low, high }: { low: number; high: number }) => Number(low <= value && value <= high);
    covered.bootstrap += isIn(bcaInterval(bootstrapAveragePrecision(set, options)));
    covered.normal += isIn(averagePrecisionInterval(averagePrecision(set)));
  }
  for (const times of Object.values(covered)) {
    expect(times).toBeGreaterThan(178);
    expect(times).toBeLessThan(200);
  }
});

test("groups of rows know the width as rows do", () => {
  const set = drawn(3000, 5);
  const width = (mostUnits: number) => {
    const { low, high } = bcaInterval(bootstrapAveragePrecision(set, { ...options, mostUnits }));
    return high - low;
  };
  expect(width(300) / width(4096)).toBeGreaterThan(0.8);
  expect(width(300) / width(4096)).toBeLessThan(1.25);
});

test("of very many rows draws are linear, and know the width as ranking each anew does", () => {
  const set = drawn(65_537, 9);
  const few = { ...options, replicates: 299, mostUnits: 1024 };
  const whole = bcaInterval(bootstrapAveragePrecision(set, few));
  const fewer = {
    labels: set.labels.subarray(1),
    scores: set.scores.subarray(1),
  };
  const ranked = bcaInterval(bootstrapAveragePrecision(fewer, few));
  const width = ({ low, high }: { low: number; high: number }) => high - low;
  expect(width(whole) / width(ranked)).toBeGreaterThan(0.8);
  expect(width(whole) / width(ranked)).toBeLessThan(1.25);
  expect(whole.low).toBeCloseTo(ranked.low, 2);
});

test("of two models on the same rows the difference is drawn pair by pair", () => {
  const set = drawn(400, 7, 3);
  const same = bootstrapAveragePrecision(set, options, set);
  expect(same.estimate).toBe(0);
  expect([...same.replicates].every((value) => value === 0)).toBe(true);
  const worse = { labels: set.labels, scores: set.scores.map((score, row) => (row % 2 === 0 ? 0.5 : score)) };
  const found = bootstrapAveragePrecision(set, options, worse);
  expect(found.estimate).toBeCloseTo(averagePrecision(set).value - averagePrecision(worse).value, 12);
  expect(bcaInterval(found).low).toBeGreaterThan(0);
});

test("a perfect ranking is not certain: its interval is that of as many positives", () => {
  const set = setOf([
    [3, 1],
    [2, 1],
    [1, 0],
    [0, 0],
  ]);
  const { low, high } = averagePrecisionInterval(averagePrecision(set));
  expect(high).toBe(1);
  expect(low).toBeLessThan(0.5);
});

test("what has no average precision is refused", () => {
  expect(() =>
    averagePrecision(
      setOf([
        [1, 0],
        [0, 0],
      ]),
    ),
  ).toThrow("a positive row");
  expect(() => averagePrecision(setOf([[Number.NaN, 1]]))).toThrow("not a number");
  expect(() => averagePrecision(setOf([[1, 2]]))).toThrow("0 or 1");
  expect(() => averagePrecision({ scores: Float64Array.of(1), labels: new Uint8Array(2) })).toThrow("length");
});

test("the bootstrap of sums and this one agree on what both can say", () => {
  // All scores alike: the average precision is the share of positives, which is a sum.
  const labels = Uint8Array.from({ length: 80 }, (_, row) => Number(row % 4 === 0));
  const [share] = bootstrapSums(
    [labels, labels.map(() => 1)],
    [(sums) => (sums[0] ?? 0) / (sums[1] ?? 1)],
    options,
  );
  const found = bootstrapAveragePrecision({ labels, scores: new Float64Array(80) }, options);
  found.replicates.forEach((value, at) => expect(value).toBeCloseTo(share?.replicates[at] ?? Number.NaN, 12));
});
