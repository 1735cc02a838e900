import { isPortolanError } from "@portolan/kernel";
import type { ModelSignature } from "@portolan/onnx-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readInferRequest } from "./infer-request.ts";
import { writeInferResponse } from "./infer-response.ts";
import { parseWireJson } from "./json.ts";
import { readPath } from "./paths.ts";

const signature: ModelSignature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 2], symbols: ["batch", null] },
    { name: "id", datatype: "INT64", shape: [-1], symbols: ["batch"] },
  ],
  outputs: [
    { name: "y", datatype: "INT64", shape: [-1] },
    { name: "s", datatype: "BYTES", shape: [-1] },
  ],
};
const x = '{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}';
const id = '{"name":"id","shape":[1],"datatype":"INT64","data":[7]}';

function read(text: string) {
  return readInferRequest(Buffer.from(text), undefined, signature);
}

function refusal(work: () => unknown): { detail: string; pointer: string; mend: string } {
  try {
    work();
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return { detail: error.detail ?? "", pointer: error.at?.pointer ?? "", mend: error.mend ?? "" };
  }
  throw new Error("it was accepted");
}

describe("requests", () => {
  test("INT64 beyond 2^53 arrives exactly", () => {
    const big = `{"inputs":[${x},{"name":"id","shape":[1],"datatype":"INT64","data":[9223372036854775807]}]}`;
    expect(read(big).inputs[1]?.data).toEqual(BigInt64Array.of(9223372036854775807n));
  });

  test("inputs come in the signature's order, nested data is flattened, the id is kept", () => {
    const request = read(
      `{"id":"a","inputs":[${id},{"name":"x","shape":[1,2],"datatype":"FP32","data":[[1.5,-2]]}]}`,
    );
    expect(request.id).toBe("a");
    expect(request.inputs.map((input) => input.name)).toEqual(["x", "id"]);
    expect(request.inputs[0]?.data).toEqual(Float32Array.of(1.5, -2));
    expect(request.outputs.map((output) => output.name)).toEqual(["y", "s"]);
  });

  test.each([
    ['{"id":', "ends too early", "/id"],
    ['{"inputs":[]}', "no inputs", "/inputs"],
    [`{"inputs":[${x}]}`, '"id" is missing', "/inputs"],
    [`{"inputs":[${x},${x},${id}]}`, "comes twice", "/inputs/1"],
    [`{"inputs":[${id}],"inputs":[${id}]}`, '"inputs" appears twice', ""],
    [`{"inputs":[${x.replace("FP32", "FP64")},${id}]}`, "is FP32", "/inputs/0/datatype"],
    [`{"inputs":[${x.replace("[1,2],", "[1,3],")},${id}]}`, "does not fit", "/inputs/0/shape"],
    [
      `{"inputs":[${x.replace('"shape":[1,2]', '"shape":[2,2]')},${id}]}`,
      "holds 4 elements",
      "/inputs/0/data",
    ],
    [`{"inputs":[${x.replace("[1,2]}", "[1,NaN]}")},${id}]}`, "no NaN", "/inputs/data"],
    [`{"inputs":[${x.replace("[1,2]}", "[1,null]}")},${id}]}`, "null is not a value", "/inputs/0/data/1"],
    [`{"inputs":[${x.replace("[1,2]}", "[1,1e39]}")},${id}]}`, "not a value of FP32", "/inputs/0/data/1"],
    [`{"inputs":[${x},${id.replace("[7]", "[7.5]")}]}`, '"7.5" is not a value of INT64', "/inputs/1/data/0"],
    [`{"inputs":[${x},${id.replace("[7]", "[9223372036854775808]")}]}`, "not a value", "/inputs/1/data/0"],
    [
      `{"inputs":[${x},${id.replace('"shape":[1]', '"shape":[2]').replace("[7]", "[7,8]")}]}`,
      "batch",
      "/inputs/1/shape",
    ],
    [`{"inputs":[${x},${id}],"outputs":[{"name":"z"}]}`, "no such output", "/outputs/0/name"],
    [`{"inputs":[${x.replace('"x"', '"q"')},${id}]}`, 'no input "q"', "/inputs/0/name"],
    [`{"inputs":${"[".repeat(100)}`, "nests deeper", "/inputs"],
    ['{"id":"\\ud800","inputs":[]}', "surrogate", "/id"],
    [`{"inputs":[${x},${id}]} trailing`, "follows", ""],
  ])("%s is refused with a pointer and a mend", (body, detail, pointer) => {
    const found = refusal(() => read(body));
    expect(found.detail).toContain(detail);
    expect(found.pointer).toBe(pointer);
    expect(found.mend.length).toBeGreaterThan(5);
  });

  test("invalid UTF-8 is refused", () => {
    expect(refusal(() => parseWireJson(Uint8Array.of(0x22, 0xff, 0x22))).detail).toContain("UTF-8");
  });

  test("any bytes are read or refused as the sender's fault", () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(anything, fc.option(fc.nat(300), { nil: undefined }), (body, jsonBytes) => {
        refusal(() => readInferRequest(body, jsonBytes, signature));
      }),
      { numRuns: 2000 },
    );
  });

  test("what JSON.parse accepts without large integers and equal names reads the same here", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const ours = JSON.stringify(parseWireJson(Buffer.from(text)), (_, value: unknown) =>
          typeof value === "bigint" ? Number(value) : value,
        );
        expect(ours).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 500 },
    );
  });
});

describe("binary tensors", () => {
  const json =
    '{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"id","shape":[1],"datatype":"INT64","parameters":{"binary_data_size":8}}]}';
  const tail = Buffer.concat([
    Buffer.from(Float32Array.of(3, 4).buffer),
    Buffer.from(BigInt64Array.of(-(2n ** 63n)).buffer),
  ]);

  test("follow the JSON in order", () => {
    const request = readInferRequest(Buffer.concat([Buffer.from(json), tail]), json.length, signature);
    expect(request.inputs.map((input) => input.data)).toEqual([
      Float32Array.of(3, 4),
      BigInt64Array.of(-(2n ** 63n)),
    ]);
    expect(request.outputs.every((output) => output.binary)).toBe(true);
  });

  test("too few and too many bytes are refused", () => {
    const cut = Buffer.concat([Buffer.from(json), tail.subarray(0, 12)]);
    expect(refusal(() => readInferRequest(cut, json.length, signature)).detail).toContain("4 bytes are left");
    const more = Buffer.concat([Buffer.from(json), tail, Buffer.from("x")]);
    expect(refusal(() => readInferRequest(more, json.length, signature)).detail).toContain("1 bytes follow");
  });

  test("outputs are written as asked, one JSON and one binary", () => {
    const outputs = [
      { name: "y", datatype: "INT64", shape: [1], data: BigInt64Array.of(2n ** 62n) },
      { name: "s", datatype: "BYTES", shape: [1], data: ["é"] },
    ] as const;
    const written = writeInferResponse(
      { modelName: "m", modelVersion: "3", id: "q", parameters: {}, outputs },
      [
        { name: "y", binary: false },
        { name: "s", binary: true },
      ],
    );
    const text = Buffer.from(written.body.subarray(0, written.jsonBytes)).toString();
    expect(text).toBe(
      '{"model_name":"m","model_version":"3","id":"q","outputs":[{"name":"y","datatype":"INT64","shape":[1],"data":[4611686018427387904]},{"name":"s","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":6}}]}',
    );
    expect([...written.body.subarray(written.jsonBytes)]).toEqual([2, 0, 0, 0, 0xc3, 0xa9]);
  });

  test("NaN in a JSON output is the model's fault, not a broken document", () => {
    const outputs = [{ name: "y", datatype: "FP32", shape: [1], data: Float32Array.of(Number.NaN) }] as const;
    expect(
      refusal(() =>
        writeInferResponse({ modelName: "m", modelVersion: "3", parameters: {}, outputs }, [
          { name: "y", binary: false },
        ]),
      ).detail,
    ).toContain("NaN");
  });
});

test.each([
  ["GET", "/v2", { kind: "server_metadata" }],
  ["GET", "/v2/health/ready?x=1", { kind: "server_ready" }],
  ["GET", "/v2/models/a%20b/versions/1.0.0/ready", { kind: "model_ready", model: "a b", version: "1.0.0" }],
  ["POST", "/v2/models/m/infer", { kind: "infer", model: "m" }],
  ["GET", "/v2/models/m/infer", { kind: "wrong_method", allow: "POST" }],
  ["GET", "/v2/models/%zz", { kind: "unknown" }],
  ["GET", "/v2/models/m/versions/1/other", { kind: "unknown" }],
])("%s %s is understood", (method, url, operation) => {
  expect(readPath(method, url)).toEqual(operation);
});

test("a path that was asked for before is understood as if it were the first time", () => {
  const infer = { kind: "infer", model: "a b" };
  for (let i = 0; i < 1000; i++) {
    expect(readPath("POST", `/v2/models/m${i}/infer`)).toEqual({ kind: "infer", model: `m${i}` });
    expect(readPath("POST", "/v2/models/a%20b/infer")).toEqual(infer);
    expect(readPath("GET", "/v2/models/a%20b/infer")).toEqual({ kind: "wrong_method", allow: "POST" });
  }
});
