import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import { badRequest } from "../bad-request.ts";
import { readBinaryTensor } from "../binary-tensor.ts";
import { parseWireJson, type WireJson, type WireObject } from "../json.ts";
import { readJsonTensor } from "../json-tensor.ts";
import type { Tensor } from "../tensor.ts";

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
  const found = new Map<string, Tensor>();
  let at = jsonBytes ?? body.length;
  list.forEach((item, index) => {
    const pointer = `/outputs/${index}`;
    if (!isObject(item)) throw unfit("An output is not an object.", pointer);
    const spec = signature.outputs.find(({ name }) => name === item["name"]);
    const size = binarySize(item, pointer);
    const tail = body.subarray(at, at + (size ?? 0));
    at += size ?? 0;
    // Outputs beyond the registered ones are nobody's.
    if (!spec) return;
    if (at > body.length) throw unfit("The answer ends within a tensor.", pointer);
    if (found.has(spec.name)) throw unfit(`"${spec.name}" comes twice.`, pointer);
    const shape = readShape(item, spec, pointer);
    const { name, datatype } = spec;
    const data =
      size === undefined
        ? readJsonTensor(item["data"] ?? null, datatype, shape, `${pointer}/data`)
        : readBinaryTensor(tail, datatype, shape, pointer, "packed");
    found.set(name, { name, datatype, shape, data });
  });
  return signature.outputs.map(({ name }) => {
    const tensor = found.get(name);
    if (!tensor) throw unfit(`The answer lacks "${name}".`, "/outputs");
    return tensor;
  });
}

function readShape(item: WireObject, spec: TensorSpec, pointer: string): number[] {
  if (item["datatype"] !== spec.datatype)
    throw unfit(`"${spec.name}" is not ${spec.datatype}.`, `${pointer}/datatype`);
  const shape = item["shape"];
  const fits =
    Array.isArray(shape) &&
    shape.length === spec.shape.length &&
    shape.every(
      (dim, at) =>
        typeof dim === "number" &&
        Number.isSafeInteger(dim) &&
        dim >= 0 &&
        (spec.shape[at] === -1 || spec.shape[at] === dim),
    );
  if (!fits)
    throw unfit(`The shape of "${spec.name}" is not [${spec.shape.join(", ")}].`, `${pointer}/shape`);
  return shape as number[];
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

/** The caller of this maps it: to whom the answer was promised, no request of theirs is at fault. */
function unfit(detail: string, pointer: string): Error {
  return badRequest(detail, pointer, "Register what the server serves now.");
}
