import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findOnnxProblems, readOnnxModel, signatureOf } from "./index.ts";
import {
  floatTensor,
  graph,
  graphAttribute,
  identityModel,
  logisticModel,
  loopModel,
  model,
  node,
  onnxType,
  valueInfo,
  WireWriter,
} from "./testing.ts";

function outcome(bytes: Uint8Array): string {
  try {
    signatureOf(readOnnxModel(bytes));
    return "ok";
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    expect(error.detail).toMatch(/\.$/);
    return error.code;
  }
}

function problems(bytes: Uint8Array): string {
  return findOnnxProblems(readOnnxModel(bytes))
    .map((problem) => problem.detail)
    .join(" ");
}

const x = valueInfo("x", onnxType.float, [null, 2]);
const y = valueInfo("y", onnxType.float, [null, 2]);
const relu = node({ op: "Relu", inputs: ["x"], outputs: ["y"] });

describe("reading", () => {
  test("the signature leaves initializers out and keeps the names of variable dimensions", () => {
    expect(signatureOf(readOnnxModel(logisticModel([1, 2, 3], 0.5)))).toEqual({
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3], symbols: ["batch", null] }],
      outputs: [{ name: "score", datatype: "FP32", shape: [-1, 1], symbols: ["batch", null] }],
    });
  });

  test("operators are counted, inside loop bodies too", () => {
    const read = readOnnxModel(loopModel(3n));
    expect(read.operators.map((op) => `${op.name}:${op.count}`)).toEqual(["Add:1", "Identity:1", "Loop:1"]);
    expect(read.subgraphDepth).toBe(1);
    expect(read.nodeCount).toBe(3);
  });

  test("an initializer that is also listed as an input is not asked of the caller", () => {
    const bytes = model(
      graph({
        nodes: [node({ op: "Add", inputs: ["x", "w"], outputs: ["y"] })],
        inputs: [x, valueInfo("w", onnxType.float, [2])],
        outputs: [y],
        initializers: [floatTensor("w", [2], [1, 2])],
      }),
      { run: "r1" },
    );
    const read = readOnnxModel(bytes);
    expect(read.inputs.map((input) => input.name)).toEqual(["x"]);
    expect(read.metadata).toEqual({ run: "r1" });
    expect(read.opsets).toEqual([{ domain: "", version: 17 }]);
  });
});

describe("hostile files", () => {
  test("a file cut off at any byte is refused or still whole, and never crashes", () => {
    const bytes = logisticModel([1, 2, 3], 0.5);
    for (let length = 0; length < bytes.length; length++) {
      const verdict = outcome(bytes.subarray(0, length));
      // The opset table comes last: a file that lost only that still reads, and ONNX Runtime refuses it.
      if (length < bytes.length - 6) expect(`${length}: ${verdict}`).not.toBe(`${length}: ok`);
    }
  });

  test("any bytes end in a value or in one clear sentence", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        outcome(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("any single changed byte ends in a value or in one clear sentence", () => {
    const bytes = loopModel(3n);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (position, value) => {
        const changed = Uint8Array.from(bytes);
        changed[position] = value;
        outcome(changed);
      }),
      { numRuns: 2000 },
    );
  });

  test("a gigantic shape is refused by its figure, not tried", () => {
    const huge = new WireWriter()
      .integer(1, 2 ** 40)
      .integer(1, 2 ** 40)
      .integer(2, 1)
      .text(8, "w");
    const bytes = model(graph({ nodes: [relu], inputs: [x], outputs: [y], initializers: [huge] }));
    expect(problems(bytes)).toContain("declares a shape of 1099511627776×1099511627776");
    const wide = valueInfo("x", onnxType.float, [null, 2 ** 40]);
    expect(problems(model(graph({ nodes: [relu], inputs: [wide], outputs: [y] })))).toContain(
      "bytes per call",
    );
  });

  test("a shape that holds less than it declares is refused", () => {
    const short = floatTensor("w", [1000], [1, 2]);
    const bytes = model(graph({ nodes: [relu], inputs: [x], outputs: [y], initializers: [short] }));
    expect(problems(bytes)).toBe('Tensor "w" declares 1000 elements but holds 2.');
  });

  test.each(["../../etc/passwd", "/etc/passwd", "C:\\secrets", "weights.bin"])(
    "data in another file is refused: %s",
    (location) => {
      const entry = new WireWriter().text(1, "location").text(2, location);
      const tensor = new WireWriter()
        .integer(1, 2)
        .integer(2, 1)
        .text(8, "w")
        .message(13, entry)
        .integer(14, 1);
      const bytes = model(graph({ nodes: [relu], inputs: [x], outputs: [y], initializers: [tensor] }));
      expect(problems(bytes)).toContain("keeps its data in another file");
      expect(problems(bytes).includes("outside the model's folder")).toBe(location !== "weights.bin");
    },
  );

  test("custom operators are refused, ai.onnx.ml is not", () => {
    const custom = node({ op: "Shell", domain: "evil.corp", inputs: ["x"], outputs: ["y"] });
    expect(problems(model(graph({ nodes: [custom], inputs: [x], outputs: [y] })))).toContain(
      "evil.corp::Shell",
    );
    const trees = node({ op: "TreeEnsembleClassifier", domain: "ai.onnx.ml", inputs: ["x"], outputs: ["y"] });
    expect(problems(model(graph({ nodes: [trees], inputs: [x], outputs: [y] })))).toBe("");
  });

  test("a ZipMap's sequence output is refused with the option that mends it", () => {
    const sequence = new WireWriter().text(1, "y").message(2, new WireWriter().message(4, new WireWriter()));
    const found = findOnnxProblems(
      readOnnxModel(model(graph({ nodes: [relu], inputs: [x], outputs: [sequence] }))),
    );
    expect(found[0]?.mend).toContain("zipmap=False");
  });

  test("subgraphs nest eight deep and no deeper", () => {
    const nested = (depth: number): WireWriter =>
      graph({
        nodes: [
          depth === 0
            ? relu
            : node({
                op: "If",
                inputs: ["c"],
                outputs: ["y"],
                attributes: [graphAttribute("then", nested(depth - 1))],
              }),
        ],
        inputs: [x],
        outputs: [y],
      });
    expect(outcome(model(nested(8)))).toBe("ok");
    expect(outcome(model(nested(9)))).toBe("onnx_format.too_large");
  });

  test("a model for every datatype of the protocol has a signature", () => {
    for (const type of Object.values(onnxType)) expect(outcome(identityModel(type, [null]))).toBe("ok");
  });
});
