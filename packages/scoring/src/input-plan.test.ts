import type { ModelSignature } from "@portolan/onnx-format";
import type { FeaturePlan } from "@portolan/serving/contract";
import { expect, test } from "vitest";
import { planInputs } from "./input-plan.ts";

const wide: ModelSignature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
};
const apart: ModelSignature = {
  inputs: ["a", "b"].map((name) => ({ name, datatype: "FP32", shape: [-1, 1] })),
  outputs: [],
};
const rules = { nonFinite: "refuse", nonFiniteOutputs: "refuse" } as const;
const plan = (from: FeaturePlan["columns"][number]["from"]): FeaturePlan => ({
  service: "s",
  entityKeys: ["id"],
  views: [],
  columns: [
    { input: "x", index: 0, from: { kind: "request", name: "miles" }, missing: 0 },
    { input: "x", index: 1, from, missing: "NaN" },
  ],
  maxAgeMs: null,
});
const columnsOf = (verdict: ReturnType<typeof planInputs>) =>
  verdict.kind === "plan" ? verdict.plan.inputs.map(({ columns }) => columns) : verdict.reason;

test("a training set's features fill the inputs in their order, with the endpoint's own stand-ins", () => {
  const features = plan({ kind: "feature", view: "v", feature: "delay_3h" });
  const snapshot = { columns: ["_row", "_at", "miles", "delay_3h", "late"], features: ["miles", "delay_3h"] };
  expect(columnsOf(planInputs({ signature: wide, features, ...rules }, snapshot))).toEqual([
    [
      { column: "miles", standIn: 0 },
      { column: "delay_3h", standIn: "NaN", isFeature: true },
    ],
  ]);
});

test("without an order columns are found by name, as in a request; what is looked up online must be in the snapshot", () => {
  const asked = plan({ kind: "request", name: "hour" });
  const target = { signature: wide, features: asked, ...rules };
  expect(columnsOf(planInputs(target, { columns: ["hour", "miles"] }))).toEqual([
    [
      { column: "miles", standIn: 0 },
      { column: "hour", standIn: "NaN" },
    ],
  ]);
  const looked = { ...target, features: plan({ kind: "feature", view: "v", feature: "delay_3h" }) };
  expect(columnsOf(planInputs(looked, { columns: ["miles"] }))).toContain("looked up online");
  expect(
    columnsOf(planInputs({ signature: apart, features: null, ...rules }, { columns: ["b", "a"] })),
  ).toEqual([[{ column: "a", standIn: null }], [{ column: "b", standIn: null }]]);
});

test("columns that are named fill the inputs as they are named, and all of them", () => {
  const target = { signature: wide, features: null, ...rules };
  const snapshot = { columns: ["a", "b", "c"] };
  expect(columnsOf(planInputs(target, snapshot, ["c", "a"]))).toEqual([
    [
      { column: "c", standIn: null },
      { column: "a", standIn: null },
    ],
  ]);
  expect(columnsOf(planInputs(target, snapshot, ["c"]))).toContain('1 columns do not fill "x"');
  expect(columnsOf(planInputs(target, snapshot, ["c", "d"]))).toContain("no column d");
  expect(columnsOf(planInputs(target, snapshot))).toContain("no column x");
});
