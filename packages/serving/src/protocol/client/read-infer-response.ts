import type { ModelSignature } from "@portolan/onnx-format";
import { readBinaryTensor } from "../binary-tensor.ts";
import { parseWireJson, type WireJson, type WireObject } from "../json.ts";
import { readJsonTensor } from "../json-tensor.ts";
import type { Tensor } from "../tensor.ts";
import { AnswerCheck, unfit } from "./answer-check.ts";

/**
 * Another server's answer, checked against the signature that it was registered with: every output, of its datatype and a shape
 * that fits, with as much data as the shape says. BYTES stay packed where they came so.
 *
 * @param jsonBytes length of the JSON part; `undefined` when the whole body is JSON
 * @returns the outputs in the signature's order
 * @throws PortolanError `serving.bad_request` saying what does not fit, with a pointer into the answer
 */
export function readInferResponse(
  body: Uint8Array,
  jsonBytes: number | undefined,
  signature: ModelSignature,
): Tensor[] {
  const json = parseWireJson(jsonBytes === undefined ? body : body.subarray(0, jsonBytes));
  const list = isObject(json) ? json["outputs"] : undefined;
  if (!Array.isArray(list)) throw unfit("The answer has no outputs.", "/outputs");
  const check = new AnswerCheck(signature);
  let at = jsonBytes ?? body.length;
  list.forEach((item, index) => {
    const pointer = `/outputs/${index}`;
    if (!isObject(item)) throw unfit("An output is not an object.", pointer);
    const size = binarySize(item, pointer);
    const tail = body.subarray(at, at + (size ?? 0));
    at += size ?? 0;
    const { name, datatype, shape } = item;
    const expected = check.expect({ name, datatype, shape }, pointer);
    if (!expected) return;
    if (at > body.length) throw unfit("The answer ends within a tensor.", pointer);
    const { spec } = expected;
    check.add(
      expected,
      size === undefined
        ? readJsonTensor(item["data"] ?? null, spec.datatype, expected.shape, `${pointer}/data`)
        : readBinaryTensor(tail, spec.datatype, expected.shape, pointer, "packed"),
    );
  });
  return check.finish();
}

function binarySize(item: WireObject, pointer: string): number | undefined {
  const parameters = item["parameters"];
  const size = isObject(parameters) ? parameters["binary_data_size"] : undefined;
  if (size === undefined) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw unfit("binary_data_size is no whole number.", pointer);
  return size;
}

function isObject(value: WireJson | undefined): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
