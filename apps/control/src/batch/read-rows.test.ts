import type { InputPlan } from "@portolan/scoring/policy";
import { expect, test } from "vitest";
import { sortRows, tensorsOfRows } from "./read-rows.ts";

const plan = (over: Partial<InputPlan>, standIns: readonly (number | string | null)[]): InputPlan => ({
  signature: { inputs: [], outputs: [] },
  inputs: [
    {
      spec: { name: "x", datatype: "FP32", shape: [-1, 2] },
      columns: standIns.map((standIn, at) => ({ column: at === 0 ? "a" : "b", standIn })),
    },
  ],
  nonFinite: "refuse",
  nonFiniteOutputs: "refuse",
  ...over,
});
const table = new Map<string, readonly unknown[]>([
  ["a", [1, null, Number.NaN, Number.POSITIVE_INFINITY]],
  ["b", [5, 6, 7, 8]],
]);
const sorted = (over: Partial<InputPlan>, standIns: readonly (number | string | null)[]) => {
  const rows = sortRows(plan(over, standIns), table, 4);
  return {
    refused: [...rows.refused].map(([row, why]) => `${row} ${why}`),
    values: [...(tensorsOfRows(plan(over, standIns), table, rows.accepted)[0]?.data ?? [])],
  };
};

test("gaps, NaN and infinities fare as at the endpoint: refused, missing, or stood in for", () => {
  expect(sorted({}, [null, null])).toEqual({
    refused: ["1 missing: a", "2 non_finite: a", "3 non_finite: a"],
    values: [1, 5],
  });
  expect(sorted({}, [9, null]), "a stand-in is for what is absent").toEqual({
    refused: ["2 non_finite: a", "3 non_finite: a"],
    values: [1, 5, 9, 6],
  });
  expect(sorted({ nonFinite: "missing" }, [9, null])).toEqual({
    refused: [],
    values: [1, 5, 9, 6, 9, 7, 9, 8],
  });
  expect(sorted({ nonFinite: "missing" }, [null, null]).values).toEqual([
    1,
    5,
    Number.NaN,
    6,
    Number.NaN,
    7,
    Number.NaN,
    8,
  ]);
  expect(sorted({}, ["NaN", null]).values).toEqual([1, 5, Number.NaN, 6]);
});
