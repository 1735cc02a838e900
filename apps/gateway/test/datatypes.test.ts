import type { Datatype } from "@portolan/onnx-format";
import { identityModel, onnxType } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

interface Sample {
  readonly datatype: Datatype;
  readonly onnx: number;
  /** As JSON text, extremes included; absent where the protocol has no JSON form. */
  readonly json?: string;
  readonly bytes: Uint8Array;
}

const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const packed = (texts: readonly (string | Uint8Array)[]): Uint8Array =>
  Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
const texts = ["", "Zürich", 'a "quoted" \\ line\n'];
const samples: readonly Sample[] = [
  { datatype: "BOOL", onnx: onnxType.bool, json: "[true,false,true]", bytes: Uint8Array.of(1, 0, 1) },
  { datatype: "UINT8", onnx: onnxType.uint8, json: "[0,1,255]", bytes: Uint8Array.of(0, 1, 255) },
  { datatype: "UINT16", onnx: 4, json: "[0,1,65535]", bytes: bytesOf(Uint16Array.of(0, 1, 65535)) },
  {
    datatype: "UINT32",
    onnx: 12,
    json: "[0,1,4294967295]",
    bytes: bytesOf(Uint32Array.of(0, 1, 2 ** 32 - 1)),
  },
  {
    datatype: "UINT64",
    onnx: 13,
    json: "[0,9007199254740993,18446744073709551615]",
    bytes: bytesOf(BigUint64Array.of(0n, 2n ** 53n + 1n, 2n ** 64n - 1n)),
  },
  { datatype: "INT8", onnx: 3, json: "[-128,0,127]", bytes: bytesOf(Int8Array.of(-128, 0, 127)) },
  { datatype: "INT16", onnx: 5, json: "[-32768,0,32767]", bytes: bytesOf(Int16Array.of(-32768, 0, 32767)) },
  {
    datatype: "INT32",
    onnx: onnxType.int32,
    json: "[-2147483648,0,2147483647]",
    bytes: bytesOf(Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)),
  },
  {
    datatype: "INT64",
    onnx: onnxType.int64,
    json: "[-9223372036854775808,-9007199254740993,9223372036854775807]",
    bytes: bytesOf(BigInt64Array.of(-(2n ** 63n), -(2n ** 53n) - 1n, 2n ** 63n - 1n)),
  },
  // One, the least subnormal and the greatest finite number, as bits.
  { datatype: "FP16", onnx: onnxType.float16, bytes: bytesOf(Uint16Array.of(0x3c00, 1, 0x7bff)) },
  {
    datatype: "FP32",
    onnx: onnxType.float,
    json: "[-0.5,0,16777216]",
    bytes: bytesOf(Float32Array.of(-0.5, 0, 2 ** 24)),
  },
  {
    datatype: "FP64",
    onnx: onnxType.double,
    json: "[0.1,5e-324,1.7976931348623157e+308]",
    bytes: bytesOf(Float64Array.of(0.1, 5e-324, Number.MAX_VALUE)),
  },
  { datatype: "BYTES", onnx: onnxType.string, json: JSON.stringify(texts), bytes: packed(texts) },
];

let installation: TestInstallation;
let gateway: TestGateway;
let grpc: GrpcClient;
beforeAll(async () => {
  installation = new TestInstallation();
  for (const { datatype, onnx } of samples)
    installation.add(datatype.toLowerCase(), identityModel(onnx, [null]));
  installation.add("bf16", identityModel(onnxType.bf16, [null]));
  await installation.publish(1);
  gateway = await installation.start();
  grpc = new GrpcClient(gateway.grpcAddress, installation.apiKey);
});
afterAll(() => {
  grpc.close();
  installation.dispose();
});

const infer = (datatype: Datatype): string => `/v2/models/${datatype.toLowerCase()}/infer`;

/** A request whose tensor comes as bytes behind the JSON, and which wants its answer so. */
function binary(datatype: Datatype, bytes: Uint8Array, elements = 3): Promise<Response> {
  const head = JSON.stringify({
    parameters: { binary_data_output: true },
    inputs: [{ name: "in", datatype, shape: [elements], parameters: { binary_data_size: bytes.length } }],
  });
  return gateway.post(infer(datatype), Buffer.concat([Buffer.from(head), bytes]), {
    "inference-header-content-length": String(head.length),
  });
}

function raw(datatype: Datatype, bytes: Uint8Array, elements = 3) {
  return {
    codec: messages.inferRequest,
    message: {
      model_name: datatype.toLowerCase(),
      model_version: "",
      id: "",
      parameters: {},
      inputs: [{ name: "in", datatype, shape: [elements], parameters: {} }],
      outputs: [],
      raw_input_contents: [bytes],
    },
  };
}

describe.each(samples)("$datatype", ({ datatype, json, bytes }) => {
  test.runIf(json !== undefined)("JSON in, JSON out: every element as it was", async () => {
    const body = `{"inputs":[{"name":"in","datatype":"${datatype}","shape":[3],"data":${json}}]}`;
    const response = await gateway.post(infer(datatype), body);
    const text = await response.text();
    expect([response.status, text]).toEqual([200, expect.stringContaining(`"data":${json}`)]);
    expect(text).toContain(`"datatype":"${datatype}"`);
  });

  test("bytes in, bytes out, over REST and gRPC", async () => {
    const response = await binary(datatype, bytes);
    const body = Buffer.from(await response.arrayBuffer());
    expect([
      response.status,
      body.subarray(Number(response.headers.get("inference-header-content-length"))),
    ]).toEqual([200, Buffer.from(bytes)]);
    const { message } = await grpc.call("ModelInfer", raw(datatype, bytes), messages.inferResponse);
    const [output] = message.outputs;
    expect([output?.datatype, output?.shape.map(Number)]).toEqual([datatype, [3]]);
    expect(Buffer.from(message.raw_output_contents[0] ?? [])).toEqual(Buffer.from(bytes));
  });

  test("an element too few is refused with what would fit", async () => {
    const response = await binary(datatype, bytes, 4);
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("agree")]);
  });
});

describe("what no runtime of a gateway computes", () => {
  test("BF16 is the caller's to mend, by every protocol", async () => {
    const bytes = bytesOf(Uint16Array.of(0x3f80, 0, 0));
    const response = await binary("BF16", bytes);
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining("register-upstream"),
    ]);
    await expect(grpc.call("ModelInfer", raw("BF16", bytes), messages.inferResponse)).rejects.toMatchObject({
      code: 3,
      details: expect.stringContaining("BF16"),
    });
  });

  test("BYTES that are no UTF-8", async () => {
    const response = await binary("BYTES", packed([Uint8Array.of(0xff), "b", "c"]));
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("not UTF-8")]);
  });
});
