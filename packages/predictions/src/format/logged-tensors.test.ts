import { messages, type Tensor, writeGrpcInfer, writeInferRequest } from "@portolan/serving/policy";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAbout, isInTensors } from "./subject-of-payload.ts";

const amounts: Tensor = { name: "amount", datatype: "FP64", shape: [2], data: Float64Array.of(0.5, 1234567) };
const customer = (datatype: Tensor["datatype"], data: Tensor["data"]): Tensor[] => [
  amounts,
  { name: "Customer", datatype, shape: [data.length], data },
];

/** As clients write them: the binary extension, raw gRPC, and JSON where it carries the datatype. */
function bodies(inputs: readonly Tensor[]): Buffer[] {
  const binary = Buffer.concat(writeInferRequest(inputs, true).parts);
  return [binary, Buffer.from(writeGrpcInfer({ name: "churn", version: "" }, inputs))];
}
const json = (inputs: readonly Tensor[]): Buffer => Buffer.concat(writeInferRequest(inputs, false).parts);
const inputs = (bytes: Uint8Array) => ({ inputs: { mediaType: "application/octet-stream", bytes } });
const about = (bytes: Uint8Array, subject: string, column = "customer"): boolean =>
  isAbout(inputs(bytes), { subject, columns: [column] });

const long = "9007199254740993";
const ofDatatype: readonly [Tensor["datatype"], Tensor["data"], subject: string, neighbour: string][] = [
  ["INT64", BigInt64Array.of(7n, 9007199254740993n), long, "9007199254740992"],
  ["INT64", BigInt64Array.of(-4711n), "-4711", "4711"],
  ["UINT64", BigUint64Array.of(18446744073709551615n), "18446744073709551615", "18446744073709551614"],
  ["INT32", Int32Array.of(4711, -5), "4711", "4712"],
  ["UINT32", Uint32Array.of(4294967295), "4294967295", "4294967294"],
  ["INT16", Int16Array.of(-4711), "-4711", "4711"],
  ["UINT16", Uint16Array.of(47110), "47110", "47111"],
  ["INT8", Int8Array.of(-8), "-8", "8"],
  ["UINT8", Uint8Array.of(200), "200", "201"],
  ["FP64", Float64Array.of(4711), "4711.0", "4711.5"],
  ["FP32", Float32Array.of(4711), "4711", "4712"],
  // 2047 and 255: the greatest whole numbers below which FP16 and BF16 tell all apart (IEEE 754: 0x67ff; 0x437f).
  ["FP16", Uint16Array.of(0x67ff), "2047", "2046"],
  ["BF16", Uint16Array.of(0x437f), "255", "254"],
  ["BYTES", ["john-1", "4711"], "4711", "471"],
];

describe("numbers of tensors in bytes", () => {
  test.each(ofDatatype)(
    "%s are found by column, and not their neighbours",
    (datatype, data, subject, neighbour) => {
      for (const body of bodies(customer(datatype, data))) {
        expect(about(body, subject)).toBe(true);
        expect(about(body, neighbour)).toBe(false);
        expect(isInTensors(inputs(body).inputs, "inputs", subject)).toBe(true);
        expect(isInTensors(inputs(body).inputs, "inputs", neighbour)).toBe(false);
      }
    },
  );

  test("another tensor's value is not the column's, and the closing search finds it all the same", () => {
    for (const body of bodies(customer("INT64", BigInt64Array.of(1n)))) {
      expect(about(body, "1234567")).toBe(false);
      expect(about(body, "1234567", "AMOUNT")).toBe(true);
      expect(isInTensors(inputs(body).inputs, "inputs", "1234567")).toBe(true);
    }
  });

  test("a number that its datatype cannot tell from others is nobody's", () => {
    // 16777216 is what FP32 makes of 16777217, too; 2048 and 256 are FP16's and BF16's first of that kind.
    for (const [datatype, data, subject] of [
      ["FP32", Float32Array.of(16777216), "16777216"],
      ["FP64", Float64Array.of(2 ** 53), "9007199254740992"],
      ["FP16", Uint16Array.of(0x6800), "2048"],
      ["BF16", Uint16Array.of(0x4380), "256"],
    ] as const)
      for (const body of bodies(customer(datatype, data))) expect(about(body, subject)).toBe(false);
  });

  test.each([
    ["int64_contents", { int64_contents: [{ low: 1, high: 0x200000, unsigned: false }] }, long],
    ["int64_contents", { int64_contents: [-4711] }, "-4711"],
    ["uint64_contents", { uint64_contents: [4711] }, "4711"],
    ["int_contents", { int_contents: [3, -4711] }, "-4711"],
    ["uint_contents", { uint_contents: [4294967295] }, "4294967295"],
    ["fp64_contents", { fp64_contents: [0.5, 4711] }, "4711"],
    ["fp32_contents", { fp32_contents: [4711] }, "4711"],
  ])("typed gRPC contents are read: %s", (_, contents, subject) => {
    const tensor = { name: "customer", datatype: "INT64", shape: [1], contents };
    const empty = { model_version: "", id: "", parameters: {}, outputs: [], raw_input_contents: [] };
    const body = messages.inferRequest.encode({ ...empty, model_name: "churn", inputs: [tensor] });
    expect(about(body, subject)).toBe(true);
    expect(about(body, `${subject}1`)).toBe(false);
    expect(isInTensors(inputs(body).inputs, "inputs", subject)).toBe(true);
  });

  test("answers in bytes are searched as answers", () => {
    const empty = { model_version: "", id: "", parameters: {} };
    const body = messages.inferResponse.encode({
      ...empty,
      model_name: "churn",
      outputs: [{ name: "who", datatype: "INT64", shape: [1] }],
      raw_output_contents: [Buffer.from(BigInt64Array.of(9007199254740993n).buffer)],
    });
    expect(isInTensors(inputs(body).inputs, "outputs", long)).toBe(true);
    expect(isInTensors(inputs(body).inputs, "outputs", "9007199254740992")).toBe(false);
  });

  test("a raw request names no input: nothing goes by a column, and the closing search finds it", () => {
    const raw = Buffer.from(BigInt64Array.of(5n, 9007199254740993n).buffer);
    expect(about(raw, long)).toBe(false);
    expect(isInTensors(inputs(raw).inputs, "inputs", long)).toBe(true);
    expect(isInTensors(inputs(raw).inputs, "inputs", "9007199254740995")).toBe(false);
  });

  test("a header may be padded, and a body that is cut off is read to its end", () => {
    const [binary = Buffer.alloc(0), message = Buffer.alloc(0)] = bodies(
      customer("INT64", BigInt64Array.of(9007199254740993n, 7n)),
    );
    const { jsonBytes = 0 } = writeInferRequest(
      customer("INT64", BigInt64Array.of(9007199254740993n, 7n)),
      true,
    );
    const padded = [binary.subarray(0, jsonBytes), Buffer.from("  \n"), binary.subarray(jsonBytes)];
    expect(about(Buffer.concat(padded), long)).toBe(true);
    for (let end = 0; end < message.length; end++) about(message.subarray(0, end), long);
    expect(about(binary.subarray(0, binary.length - 8), long)).toBe(true);
  });
});

describe("numbers of JSON that a double cannot tell from others", () => {
  test("are compared as they are written, in a tensor and in a member", () => {
    const body = json(customer("INT64", BigInt64Array.of(9007199254740993n)));
    expect(about(body, long)).toBe(true);
    expect(about(body, `${long}.0`)).toBe(true);
    expect(about(body, "9007199254740992")).toBe(false);
    const member = Buffer.from(`{"note":"a \\"quote\\" ${long}","customer":[[1,-${long}]]}`);
    expect(about(member, `-${long}`)).toBe(true);
    expect(about(member, long)).toBe(false);
    expect(about(member, long, "note")).toBe(false);
  });

  test("every integer of 64 bits is found as itself alone, however it came", () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(int64, int64, (one, other) => {
        const tensors = customer("INT64", BigInt64Array.of(one));
        for (const body of [...bodies(tensors), json(tensors)]) {
          expect(about(body, String(one))).toBe(true);
          expect(about(body, String(other))).toBe(one === other);
        }
      }),
    );
  });
});

test("bytes of any kind are read without a fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      about(bytes, "4711");
      isInTensors(inputs(bytes).inputs, "inputs", "4711");
    }),
  );
});
