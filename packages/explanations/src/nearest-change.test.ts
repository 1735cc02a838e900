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
    fc.assert(
      fc.property(rows, fc.nat(3), (row, fixed) => {
        const asked = terms((column) => column !== fixed);
        const found = nearestChange(ensemble, row, asked);
        if (!found) return;
        const changed = [...row];
        for (const { column, from, to } of found.changes) {
          expect(column).not.toBe(fixed);
          expect(from).toBe(row[column]);
          expect(Math.fround(to)).toBe(to);
          changed[column] = to;
        }
        const after = scoresOf(ensemble, changed);
        expect(asked.decide(after)).not.toBe(asked.decide(scoresOf(ensemble, row)));
        expect([...found.scores]).toEqual([...after]);
        // A step less far in the same direction, on the row's own side of every threshold between, decides as before.
        if (found.changes.length > 1) return;
        const [{ column, from, to } = { column: 0, from: 0, to: 0 }] = found.changes;
        for (const part of [0.25, 0.5, 0.75, 0.99]) {
          const short = [...row];
          short[column] = from + (to - from) * part;
          expect(asked.decide(scoresOf(ensemble, short))).toBe(asked.decide(scoresOf(ensemble, row)));
        }
      }),
      { numRuns: 300 },
    );
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
    ).toBeUndefined();
    expect(nearestChange(ensemble, row, terms())).toEqual(nearestChange(ensemble, row, terms()));
  });
});
