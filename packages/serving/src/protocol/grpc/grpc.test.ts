import { isPortolanError } from "@portolan/kernel";
import { type Datatype, datatypes, type ModelSignature } from "@portolan/onnx-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { numericKinds, type Tensor, type TensorData } from "../tensor.ts";
import { inferResponseMessage, readGrpcInfer, readInferTarget } from "./infer-codec.ts";
import { bigintOf, longOf, messages } from "./messages.ts";

const numeric = datatypes.filter((name): name is Exclude<Datatype, "BYTES"> => name !== "BYTES");

function signatureOf(datatype: Datatype): ModelSignature {
  return {
    inputs: [{ name: "x", datatype, shape: [-1] }],
    outputs: [{ name: "y", datatype, shape: [-1] }],
  };
}

/** The data of a tensor of `datatype` whose bytes are `bytes`, cut to whole elements; BOOL bytes are 0 or 1. */
function dataOf(datatype: Datatype, bytes: Uint8Array): TensorData {
  if (datatype === "BYTES") return Array.from(bytes, (byte) => "é".repeat(byte % 4));
  const kind = numericKinds[datatype];
  const out = kind.make(Math.floor(bytes.length / kind.bytes));
  new Uint8Array(out.buffer).set(bytes.subarray(0, out.byteLength));
  return datatype === "BOOL" ? (out as Uint8Array).map((byte) => byte & 1) : out;
}

function answerOf(datatype: Datatype, data: TensorData) {
  const outputs: Tensor[] = [{ name: "y", datatype, shape: [data.length], data }];
  return { modelName: "m", modelVersion: "3", id: "r", parameters: { fallback: "timeout" }, outputs };
}

/** A request made from an answer: what we write, we read. */
function asRequest(datatype: Datatype, data: TensorData, raw: boolean): Uint8Array {
  const written = inferResponseMessage(answerOf(datatype, data), [{ name: "y", binary: raw }]);
  return messages.inferRequest.encode({
    model_name: "m",
    model_version: "3",
    id: "r",
    parameters: { n: { int64_param: longOf(-(2n ** 60n), false) } },
    inputs: written.outputs.map((output) => ({ ...output, name: "x" })),
    outputs: [],
    raw_input_contents: written.raw_output_contents,
  });
}

describe("tensors", () => {
  test("every datatype is the same there and back, typed and raw, to the last bit", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...datatypes),
        fc.uint8Array({ minLength: 8, maxLength: 64 }),
        fc.boolean(),
        (datatype, bytes, raw) => {
          const data = dataOf(datatype, bytes);
          const read = readGrpcInfer(asRequest(datatype, data, raw), signatureOf(datatype));
          const given = read.inputs[0]?.data;
          // NaN payloads of typed floats pass through a JavaScript number, which may quiet them.
          if (!raw && (datatype === "FP32" || datatype === "FP64")) expect(given).toEqual(data);
          else expect(bytesOf(given ?? [])).toEqual(bytesOf(data));
          expect(read.id).toBe("r");
          expect(read.parameters["n"]).toBe(-(2n ** 60n));
        },
      ),
    );
  });

  test("the answer is raw when the request was, and always for FP16 and BF16", () => {
    for (const datatype of numeric) {
      const data = numericKinds[datatype].make(2);
      const typed = inferResponseMessage(answerOf(datatype, data), [{ name: "y", binary: false }]);
      const isHalf = datatype === "FP16" || datatype === "BF16";
      expect([datatype, typed.raw_output_contents.length]).toEqual([datatype, isHalf ? 1 : 0]);
      expect(typed.outputs[0]?.contents === undefined).toBe(isHalf);
      const raw = inferResponseMessage(answerOf(datatype, data), [{ name: "y", binary: true }]);
      expect(raw.raw_output_contents[0]?.length).toBe(data.byteLength);
    }
  });

  test("64-bit integers are exact in both halves", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect(bigintOf(longOf(value, false))).toBe(value);
        expect(bigintOf(longOf(BigInt.asUintN(64, value), true))).toBe(BigInt.asUintN(64, value));
      }),
    );
  });
});

function bytesOf(data: TensorData): unknown {
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : [...data];
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    expect(error.code).toBe("serving.bad_request");
    return `${error.at?.pointer ?? ""}: ${error.detail ?? ""}`;
  }
  throw new Error("it was accepted");
}

describe("requests that do not fit", () => {
  const good = {
    model_name: "m",
    model_version: "",
    id: "",
    parameters: {},
    inputs: [{ name: "x", datatype: "INT8", shape: [2], contents: { int_contents: [1, 2] } }],
    outputs: [] as { name: string }[],
    raw_input_contents: [] as Uint8Array[],
  };
  const read = (over: object) =>
    readGrpcInfer(messages.inferRequest.encode({ ...good, ...over }), signatureOf("INT8"));
  const [input] = good.inputs;

  test("are refused with the place", () => {
    expect(read({}).inputs[0]?.data).toEqual(Int8Array.of(1, 2));
    const cases: [object, string][] = [
      [{ inputs: [] }, "/inputs: The request has no inputs"],
      [{ inputs: [{ ...input, contents: { int_contents: [1] } }] }, "int_contents 1."],
      [{ inputs: [{ ...input, contents: { int_contents: [1, 300] } }] }, "/inputs/0/contents/1: 300 is not"],
      [{ inputs: [{ ...input, contents: { fp32_contents: [1, 2] } }] }, "is sent in int_contents"],
      [{ inputs: [{ ...input, shape: [-2] }] }, "not a whole number"],
      [{ inputs: [{ ...input, datatype: "INT16" }] }, "is INT8"],
      [{ inputs: [input, input] }, "comes twice"],
      [{ raw_input_contents: [Uint8Array.of(1, 2)] }, "both typed and raw"],
      [{ raw_input_contents: [Uint8Array.of(1), Uint8Array.of(2)] }, "2 raw contents came for 1 inputs"],
      [{ outputs: [{ name: "z" }] }, "/outputs/0/name"],
      [{ outputs: [{ name: "y" }, { name: "y" }] }, "asked twice"],
    ];
    for (const [over, says] of cases) expect(refusal(() => read(over))).toContain(says);
  });

  test("any bytes are read or refused as the sender's fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const work of [() => readInferTarget(bytes), () => readGrpcInfer(bytes, signatureOf("FP32"))]) {
          try {
            work();
          } catch (error) {
            expect(isPortolanError(error) && error.code).toBe("serving.bad_request");
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a good message with any one byte changed is read or refused", () => {
    const bytes = messages.inferRequest.encode({ ...good, parameters: { a: { bool_param: true } } });
    for (let at = 0; at < bytes.length; at++) {
      for (let flip = 1; flip < 256; flip++) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        try {
          readGrpcInfer(damaged, signatureOf("INT8"));
        } catch (error) {
          if (!isPortolanError(error) || error.code !== "serving.bad_request") throw error;
        }
      }
    }
  });

  test("the target is read without the tensors", () => {
    const message = { ...good, model_version: "7" };
    expect(readInferTarget(messages.inferRequest.encode(message))).toEqual({ name: "m", version: "7" });
  });
});
