import { describe, expect, test } from "vitest";
import { readLinearModel } from "./read-linear-model.ts";
import {
  floatsAttribute,
  floatTensor,
  graph,
  intAttribute,
  intsAttribute,
  logisticModel,
  mlpModel,
  model,
  node,
  onnxType,
  textAttribute,
  treesModel,
  valueInfo,
  type WireWriter,
} from "./testing.ts";

const domain = "ai.onnx.ml";

function modelOf(nodes: readonly WireWriter[], initializers: readonly WireWriter[] = []): Uint8Array {
  const inputs = [valueInfo("x", onnxType.float, ["batch", 2])];
  const outputs = [valueInfo("y", onnxType.float, ["batch", 2])];
  return model(graph({ nodes, inputs, outputs, initializers }), {}, { [domain]: 3 });
}

const classifier = (input: string) =>
  node({
    op: "LinearClassifier",
    domain,
    inputs: [input],
    outputs: ["label", "y"],
    attributes: [
      floatsAttribute("coefficients", [-1, -2, 1, 2]),
      floatsAttribute("intercepts", [-0.5, 0.5]),
      textAttribute("post_transform", "LOGISTIC"),
      intsAttribute("classlabels_ints", [3, 7]),
    ],
  });

describe("a linear model", () => {
  test("of scikit-learn: its weights, intercepts and classes", () => {
    expect(readLinearModel(modelOf([classifier("x")]))).toEqual({
      kind: "classifier",
      input: "x",
      columns: 2,
      targets: 2,
      weights: Float64Array.of(-1, -2, 1, 2),
      intercepts: Float64Array.of(-0.5, 0.5),
      postTransform: "LOGISTIC",
      classes: ["3", "7"],
    });
  });

  test("behind a scaler, what the scaler does is in the weights", () => {
    const scaler = node({
      op: "Scaler",
      domain,
      inputs: ["x"],
      outputs: ["scaled"],
      attributes: [floatsAttribute("offset", [10, 20]), floatsAttribute("scale", [2, 0.5])],
    });
    const read = readLinearModel(modelOf([scaler, classifier("scaled")]));
    expect(read?.weights).toEqual(Float64Array.of(-2, -1, 2, 1));
    // 0.5 - (2 * 10 + 1 * 20)
    expect(read?.intercepts).toEqual(Float64Array.of(39.5, -39.5));
  });

  test("of one layer, in each of the ways in which a file says it", () => {
    const weights = floatTensor("w", [2, 1], [3, 4]);
    const turned = floatTensor("w", [1, 2], [3, 4]);
    const offset = floatTensor("b", [1], [0.25]);
    const found = {
      columns: 2,
      targets: 1,
      weights: Float64Array.of(3, 4),
      intercepts: Float64Array.of(0.25),
    };
    const sigmoid = (input: string) => node({ op: "Sigmoid", inputs: [input], outputs: ["y"] });
    const product = node({ op: "MatMul", inputs: ["x", "w"], outputs: ["p"] });
    const sum = node({ op: "Add", inputs: ["b", "p"], outputs: ["z"] });
    expect(readLinearModel(modelOf([product, sum, sigmoid("z")], [weights, offset]))).toMatchObject({
      ...found,
      kind: "classifier",
      postTransform: "LOGISTIC",
    });
    const gemm = node({
      op: "Gemm",
      inputs: ["x", "w", "b"],
      outputs: ["y"],
      attributes: [intAttribute("transB", 1)],
    });
    expect(readLinearModel(modelOf([gemm], [turned, offset]))).toMatchObject({
      ...found,
      kind: "regressor",
      postTransform: "NONE",
    });
    expect(readLinearModel(modelOf([product], [weights]))?.intercepts).toEqual(Float64Array.of(0));
    expect(readLinearModel(logisticModel([0.5, -0.25], 0.5))).toMatchObject({
      weights: Float64Array.of(0.5, -0.25),
      intercepts: Float64Array.of(0.5),
    });
  });

  test("is none where there are more layers, trees, something between, or weights that are not in the file", () => {
    const relu = node({ op: "Relu", inputs: ["x"], outputs: ["r"] });
    const half = node({
      op: "Gemm",
      inputs: ["x", "w"],
      outputs: ["y"],
      attributes: [intAttribute("transA", 1)],
    });
    for (const bytes of [
      mlpModel([2, 3, 2]),
      treesModel(2, 2, 2),
      modelOf([relu, classifier("r")]),
      modelOf([node({ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] })]),
      modelOf([half], [floatTensor("w", [2, 1], [1, 2])]),
    ])
      expect(readLinearModel(bytes)).toBeUndefined();
  });
});
