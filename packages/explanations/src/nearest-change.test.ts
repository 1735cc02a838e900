import { readTreeEnsemble, type TreeEnsemble } from "@portolan/onnx-format";
import { treesModel } from "@portolan/onnx-format/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChangeTerms, nearestChange } from "./nearest-change.ts";
import { scoresOf } from "./walk-trees.ts";

function ensembleOf(trees: number, columns: number, depth: number): TreeEnsemble {
  const read = readTreeEnsemble(treesModel(trees, columns, depth));
  if (!read) throw new Error("no trees");
  return read;
}

/** The model's vote for its second class, above one half or not. */
function terms(free: (column: number) => boolean = () => true): ChangeTerms {
  const lead = (scores: Float64Array): number => (scores[1] ?? 0) - (scores[0] ?? 0);
  return {
    decide: (scores) => Number(lead(scores) > 0),
    closeness: (scores) => -Math.abs(lead(scores)),
    free,
  };
}

const rows = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });

describe("the nearest change", () => {
  test("changes the decision, only columns that may change, and no single column does it with less", () => {
    const ensemble = ensembleOf(9, 4, 3);
    let found = 0;
    fc.assert(
      fc.property(rows, fc.nat(3), (row, fixed) => {
        const asked = terms((column) => column !== fixed);
        const search = nearestChange(ensemble, row, asked);
        if (search.kind !== "found") return;
        found++;
        const { change } = search;
        const changed = [...row];
        for (const { column, from, to } of change.changes) {
          expect(column).not.toBe(fixed);
          expect(from).toBe(row[column]);
          expect(Math.fround(to)).toBe(to);
          changed[column] = to;
        }
        const after = scoresOf(ensemble, changed);
        expect(asked.decide(after)).not.toBe(asked.decide(scoresOf(ensemble, row)));
        expect([...change.scores]).toEqual([...after]);
        // A step less far in the same direction, on the row's own side of every threshold between, decides as before.
        if (change.changes.length > 1) return;
        const [{ column, from, to } = { column: 0, from: 0, to: 0 }] = change.changes;
        for (const part of [0.25, 0.5, 0.75, 0.99]) {
          const short = [...row];
          short[column] = from + (to - from) * part;
          expect(asked.decide(scoresOf(ensemble, short))).toBe(asked.decide(scoresOf(ensemble, row)));
        }
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(30);
  });

  test("of one column is the least of all: the same as looking at every value of it", () => {
    const ensemble = ensembleOf(9, 4, 3);
    const asked = terms();
    let compared = 0;
    fc.assert(
      fc.property(rows, (row) => {
        const search = nearestChange(ensemble, row, asked);
        const before = asked.decide(scoresOf(ensemble, row));
        for (let column = 0; column < 4; column++) {
          const only = nearestChange(
            ensemble,
            row,
            terms((one) => one === column),
          );
          // Every place between two thresholds of the column, and the thresholds themselves.
          const values = ensemble.trees
            .flatMap(({ modes, features, thresholds }) =>
              [...thresholds].filter((_, node) => modes[node] !== 0 && features[node] === column),
            )
            .flatMap((threshold) => [
              threshold,
              Math.fround(threshold + 1e-7),
              Math.fround(threshold - 1e-7),
            ]);
          const turning = values.filter((to) => {
            const changed = [...row];
            changed[column] = to;
            return asked.decide(scoresOf(ensemble, changed)) !== before;
          });
          expect(only.kind === "found").toBe(turning.length > 0);
          if (only.kind !== "found") continue;
          compared++;
          const [{ to } = { to: 0 }] = only.change.changes;
          const nearest = Math.min(...turning.map((value) => Math.abs(value - (row[column] ?? 0))));
          expect(Math.abs(to - (row[column] ?? 0))).toBeLessThanOrEqual(nearest + 1e-6);
          expect(search.kind === "found" && search.change.distance).toBeLessThanOrEqual(only.change.distance);
        }
      }),
      { numRuns: 100 },
    );
    expect(compared).toBeGreaterThan(10);
  });

  test("is given up where there are too many trees to look at", () => {
    const ensemble = ensembleOf(5, 4, 3);
    const [tree] = ensemble.trees;
    if (!tree) throw new Error("no trees");
    const many = { ...ensemble, trees: Array.from({ length: 60 }, () => ({ ...tree, depth: 1_000_000 })) };
    expect(nearestChange(many, [0.1, 0.2, 0.3, 0.4], terms())).toEqual({ kind: "cut_off" });
  });

  test("is none where nothing may change, and the same every time", () => {
    const ensemble = ensembleOf(5, 4, 3);
    const row = [0.1, 0.2, 0.3, 0.4];
    expect(
      nearestChange(
        ensemble,
        row,
        terms(() => false),
      ),
    ).toEqual({ kind: "none" });
    expect(nearestChange(ensemble, row, terms())).toEqual(nearestChange(ensemble, row, terms()));
  });
});
