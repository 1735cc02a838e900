import { expect, test } from "vitest";
import { randomOf } from "../../../../test/chaos/random.ts";
import { DriftSimulation } from "../../test/drift-simulation.ts";
import { DriftCounter } from "../drift-counter.ts";
import { numericReference } from "../reference-profile.ts";
import { checkShares } from "./checks.ts";

test("beside a small reference new values are often outside of it: that is no fault of theirs", () => {
  const random = randomOf(7);
  let outside = 0;
  const trials = 1000;
  for (let trial = 0; trial < trials; trial++) {
    const simulation = new DriftSimulation(random, 1, 200);
    const [column] = simulation.profile.inputs;
    if (!column) throw new Error("a simulation without a column");
    const share = checkShares(column, simulation.window(200).counts).find(({ kind }) => kind === "outside");
    if ((share?.p ?? 1) < 0.05) outside++;
  }
  // By Fisher's test beside none before it is 10 %, for the five that are needed lie at either end.
  expect(outside / trials).toBeLessThan(0.055);
});

test.each([
  { referenceGaps: 0.9, gaps: 0 },
  { referenceGaps: 0, gaps: 0.9 },
])(
  "gaps are no numbers that could be outside: a share of $referenceGaps in the reference and $gaps now",
  ({ referenceGaps, gaps }) => {
    const random = randomOf(11);
    const place = { tensor: "x", column: 0, name: "x" };
    const trials = 400;
    const ps = Array.from({ length: trials }, () => {
      const [rows, rowsNow] = [1000, 1000].map((count, at) => {
        const numbers = Math.round(count * (1 - (at === 0 ? referenceGaps : gaps)));
        return Array.from({ length: count }, (_, row) => (row < numbers ? random() : null));
      });
      const column = numericReference(place, rows ?? []);
      const counter = new DriftCounter({ inputs: [column], outputs: [] });
      const counts = new Uint32Array(counter.cells);
      const data = Float64Array.from(rowsNow ?? [], (value) => value ?? Number.NaN);
      counter.count(counts, data.length, [{ name: "x", data }], []);
      return checkShares(column, [...counts]).find(({ kind }) => kind === "outside")?.p ?? 0;
    });
    const share = ps.filter((p) => p < 0.05).length / trials;
    // An exact test of a law without ties: at most 5 % of the time, and not far below.
    expect(share).toBeLessThan(0.065);
    expect(share).toBeGreaterThan(0.01);
  },
);

test("numbers where the reference had none are outside; of no numbers none is", () => {
  const none = numericReference(
    { tensor: "x", column: 0, name: "x" },
    Array.from({ length: 1000 }, () => null),
  );
  const outside = (counts: readonly number[]) =>
    checkShares(none, counts).find(({ kind }) => kind === "outside");
  expect(outside([0, 300, 0, 0, 0, 0])).toMatchObject({ reference: 0, now: 1 });
  expect(outside([0, 300, 0, 0, 0, 0])?.p).toBeLessThan(1e-100);
  expect(outside([0, 0, 300, 0, 0, 0])).toMatchObject({ now: 0, p: 1 });
  const some = numericReference({ tensor: "x", column: 0, name: "x" }, [1, 2, 3]);
  const onlyGaps = some.counts.map((_, at) => (at === some.lowerBounds.length + 2 ? 300 : 0));
  expect(checkShares(some, onlyGaps).find(({ kind }) => kind === "outside")).toMatchObject({ now: 0, p: 1 });
});
