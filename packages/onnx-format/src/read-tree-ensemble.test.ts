import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTreeEnsemble } from "./read-tree-ensemble.ts";
import {
  floatsAttribute,
  graph,
  intsAttribute,
  logisticModel,
  model,
  node,
  onnxType,
  rawTensor,
  tensorAttribute,
  textsAttribute,
  treesModel,
  valueInfo,
  type WireWriter,
} from "./testing.ts";

const domain = "ai.onnx.ml";

/** One tree: x[1] <= 0.5 ? 2 : (x[0] < 7 ? 3 : 5), ids out of order. */
const stump: Readonly<Record<string, WireWriter>> = {
  trees: intsAttribute("nodes_treeids", [4, 4, 4, 4, 4]),
  ids: intsAttribute("nodes_nodeids", [0, 9, 2, 8, 3]),
  features: intsAttribute("nodes_featureids", [1, 0, 0, 0, 0]),
  values: floatsAttribute("nodes_values", [0.5, 0, 7, 0, 0]),
  modes: textsAttribute("nodes_modes", ["BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF"]),
  whenTrue: intsAttribute("nodes_truenodeids", [9, 0, 8, 0, 0]),
  whenFalse: intsAttribute("nodes_falsenodeids", [2, 0, 3, 0, 0]),
  missing: intsAttribute("nodes_missing_value_tracks_true", [1, 0, 0, 0, 0]),
  targetTrees: intsAttribute("target_treeids", [4, 4, 4]),
  targetNodes: intsAttribute("target_nodeids", [9, 8, 3]),
  targetIds: intsAttribute("target_ids", [0, 0, 0]),
  targetWeights: floatsAttribute("target_weights", [2, 3, 5]),
  base: floatsAttribute("base_values", [0.25]),
};

function regressor(
  change: Readonly<Record<string, WireWriter>> = {},
  before: readonly WireWriter[] = [],
): Uint8Array {
  const trees = node({
    op: "TreeEnsembleRegressor",
    domain,
    inputs: [before.length === 0 ? "x" : "between"],
    outputs: ["y"],
    attributes: Object.values({ ...stump, ...change }),
  });
  return model(
    graph({
      nodes: [...before, trees],
      inputs: [valueInfo("x", onnxType.float, ["n", 2])],
      outputs: [valueInfo("y", onnxType.float, ["n", 1])],
    }),
    {},
    { [domain]: 3 },
  );
}

describe("reading a tree ensemble", () => {
  test("nodes keep the file's order, children are places, and what is absent is its default", () => {
    expect(readTreeEnsemble(regressor())).toEqual({
      kind: "regressor",
      input: "x",
      targets: 1,
      baseValues: Float64Array.of(0.25),
      aggregate: "SUM",
      postTransform: "NONE",
      classes: [],
      columns: 2,
      trees: [
        {
          modes: Uint8Array.of(1, 0, 2, 0, 0),
          features: Int32Array.of(1, 0, 0, 0, 0),
          thresholds: Float64Array.of(0.5, 0, 7, 0, 0),
          whenTrue: Int32Array.of(1, 0, 3, 0, 0),
          whenFalse: Int32Array.of(2, 0, 4, 0, 0),
          missingIsTrue: Uint8Array.of(1, 0, 0, 0, 0),
          weights: Float64Array.of(0, 2, 0, 3, 5),
          depth: 2,
        },
      ],
    });
  });

  test("a classifier of two classes may vote for one of them, or for both", () => {
    expect(readTreeEnsemble(treesModel(3, 4, 2))).toMatchObject({
      kind: "classifier",
      targets: 2,
      classes: ["0", "1"],
      trees: [{ depth: 2 }, { depth: 2 }, { depth: 2 }],
    });
  });

  test("numbers in double precision come as tensors", () => {
    const bytes = new Uint8Array(Float64Array.of(0.1, 0, 7, 0, 0).buffer);
    const values = tensorAttribute("nodes_values_as_tensor", rawTensor("t", onnxType.double, [5], bytes));
    const [tree] = readTreeEnsemble(regressor({ values }))?.trees ?? [];
    expect(tree?.thresholds[0]).toBe(0.1);
  });

  test("what stands before the trees may pass the columns on, and nothing else", () => {
    const passing = node({ op: "Identity", inputs: ["x"], outputs: ["between"] });
    expect(readTreeEnsemble(regressor({}, [passing]))?.input).toBe("x");
    const scaling = node({ op: "Scaler", domain, inputs: ["x"], outputs: ["between"] });
    expect(readTreeEnsemble(regressor({}, [scaling]))).toBeUndefined();
    const loop = node({ op: "Identity", inputs: ["between"], outputs: ["between"] });
    expect(readTreeEnsemble(regressor({}, [loop]))).toBeUndefined();
    expect(readTreeEnsemble(logisticModel([1, 2], 0))).toBeUndefined();
  });

  test.each([
    [
      "a child that is missing",
      { whenTrue: intsAttribute("nodes_truenodeids", [77, 0, 8, 0, 0]) },
      /node 77 is missing/,
    ],
    ["a loop", { whenTrue: intsAttribute("nodes_truenodeids", [9, 0, 0, 0, 0]) }, /two parents/],
    [
      "a node that hangs nowhere",
      { whenFalse: intsAttribute("nodes_falsenodeids", [8, 0, 3, 0, 0]) },
      /two parents|does not reach/,
    ],
    ["two nodes of one id", { ids: intsAttribute("nodes_nodeids", [0, 9, 2, 8, 8]) }, /two nodes of one id/],
    [
      "lists of different lengths",
      { features: intsAttribute("nodes_featureids", [1, 0]) },
      /differ in length/,
    ],
    [
      "a mode that nobody knows",
      { modes: textsAttribute("nodes_modes", ["BRANCH_LIKE", "LEAF", "LEAF", "LEAF", "LEAF"]) },
      /unknown mode "BRANCH_LIKE"/,
    ],
    [
      "a column below 0",
      { features: intsAttribute("nodes_featureids", [-1, 0, 0, 0, 0]) },
      /column that cannot be/,
    ],
    [
      "a vote of a leaf that is missing",
      { targetNodes: intsAttribute("target_nodeids", [9, 8, 66]) },
      /leaf that is missing/,
    ],
    [
      "a vote for a target below 0",
      { targetIds: intsAttribute("target_ids", [0, 0, -1]) },
      /target that cannot be/,
    ],
    ["too many targets", { targetIds: intsAttribute("target_ids", [0, 0, 5000]) }, /5001 targets/],
  ])("%s is malformed", (_, change, detail) => {
    expect(() => readTreeEnsemble(regressor(change))).toThrow(
      expect.objectContaining({
        code: "onnx_format.malformed",
        detail: expect.stringMatching(detail) as string,
      }),
    );
  });

  test("any bytes end in trees, in none, or in the one error", () => {
    const good = regressor();
    const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(changes, fc.nat(good.length), (list, length) => {
        const bytes = good.slice(0, length);
        for (const [at, value] of list) if (at < length) bytes[at] = value;
        try {
          readTreeEnsemble(bytes);
        } catch (error) {
          expect(isPortolanError(error) && error.code).toBe("onnx_format.malformed");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
