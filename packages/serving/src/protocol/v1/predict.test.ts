import type { ModelSignature } from "@portolan/onnx-format";
import { describe, expect, test } from "vitest";
import { readV1Predict, writeV1Answer } from "./predict.ts";

const one: ModelSignature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
};
const two: ModelSignature = {
  inputs: [
    { name: "age", datatype: "INT64", shape: [-1, 1], symbols: ["n", null] },
    { name: "city", datatype: "BYTES", shape: [-1, 1], symbols: ["n", null] },
  ],
  outputs: one.outputs,
};
const read = (text: string, signature: ModelSignature) => readV1Predict(Buffer.from(text), signature);

describe("KServe's V1 protocol", () => {
  test("rows of a model of one input, and the same as columns", () => {
    const rows = read('{"instances":[[1,2],[3,4]]}', one).inputs[0];
    expect(rows).toMatchObject({ shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    expect(read('{"inputs":{"x":[[1,2],[3,4]]}}', one).inputs[0]).toEqual(rows);
    expect(read('{"inputs":[[1,2],[3,4]]}', one).inputs[0]).toEqual(rows);
  });

  test("rows as objects, a plain value where the model wants a column of one; INT64 is exact", () => {
    const text = '{"instances":[{"age":9007199254740993,"city":"Łódź"},{"city":"a,b","age":2}]}';
    const [age, city] = read(text, two).inputs;
    expect(age).toMatchObject({ shape: [2, 1], data: BigInt64Array.of(9007199254740993n, 2n) });
    expect(city).toMatchObject({ shape: [2, 1], data: ["Łódź", "a,b"] });
  });

  test.each([
    ["{}", one, "neither or both"],
    ['{"instances":[[1,2]],"inputs":[[1,2]]}', one, "neither or both"],
    ['{"instances":[]}', one, "not a list of rows"],
    ['{"instances":[[1,2],[3]]}', one, "nesting of the data"],
    ['{"instances":[[[1,2]]]}', one, "does not fit"],
    ['{"instances":[[[[[1]]]]]}', one, "nests deeper"],
    ['{"instances":[{"age":1}]}', two, '"city" is missing'],
    ['{"instances":[{"age":1,"city":"a","zip":2}]}', two, 'no input "zip"'],
    ['{"instances":[1]}', two, "not an object"],
    ['{"inputs":{"age":[1,2],"city":["a"]}}', two, "another input has"],
  ])("%s is refused", (text, signature, says) => {
    expect(() => read(text, signature)).toThrow(says);
  });

  const answer = (outputs: Parameters<typeof writeV1Answer>[0]["outputs"]) => {
    const requested = outputs.map(({ name }) => ({ name, binary: false }));
    const parameters = { modelName: "m", modelVersion: "1", parameters: {}, outputs };
    return JSON.parse(Buffer.from(writeV1Answer(parameters, requested)).toString()) as unknown;
  };

  test("an answer is a row each: a value, a list, or an object by output", () => {
    const score = { name: "y", datatype: "FP32", shape: [2, 1], data: Float32Array.of(0.5, 1) } as const;
    expect(answer([score])).toEqual({ predictions: [0.5, 1] });
    const cube = {
      name: "c",
      datatype: "INT8",
      shape: [1, 2, 2],
      data: Int8Array.of(1, 2, 3, 4),
    } as const;
    expect(answer([cube])).toEqual({
      predictions: [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    });
    const label = { name: "label", datatype: "BYTES", shape: [2], data: ['a,"b"', "c"] } as const;
    expect(answer([score, label])).toEqual({
      predictions: [
        { y: 0.5, label: 'a,"b"' },
        { y: 1, label: "c" },
      ],
    });
  });
});
