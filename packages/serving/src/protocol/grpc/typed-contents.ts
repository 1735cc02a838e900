import type { Datatype } from "@portolan/onnx-format";
import { badRequest } from "../bad-request.ts";
import { type BytesForm, isTyped, packElements, packedElements } from "../binary-tensor.ts";
import type { CheckedInput } from "../signature-check.ts";
import { elementsOf, numericKinds, type Tensor, type TensorData } from "../tensor.ts";
import { bigintOf, type ContentsMessage, type Int64, longOf } from "./messages.ts";

/** Field of `InferTensorContents` that carries each datatype. FP16 and BF16 have none: they are sent raw. */
const fields: Readonly<Record<Datatype, keyof ContentsMessage | undefined>> = {
  BOOL: "bool_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
  FP16: undefined,
  BF16: undefined,
};
const allFields = [...new Set(Object.values(fields))].filter((field) => field !== undefined);

const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws PortolanError `serving.bad_request` when contents and shape or datatype disagree */
export function readTypedContents(
  contents: ContentsMessage,
  { spec: { datatype }, shape }: CheckedInput,
  pointer: string,
  bytesForm: BytesForm,
): TensorData {
  const field = fields[datatype];
  if (field === undefined)
    throw badRequest(`${datatype} has no typed contents.`, pointer, "Send it in raw_input_contents.");
  const stray = allFields.find((other) => other !== field && (contents[other]?.length ?? 0) > 0);
  if (stray !== undefined)
    throw badRequest(`${datatype} is sent in ${field}, not in ${stray}.`, pointer, `Fill ${field} alone.`);
  const values = contents[field] ?? [];
  const expected = elementsOf(shape);
  if (values.length !== expected)
    throw badRequest(
      `The shape [${shape.join(", ")}] holds ${expected} elements, ${field} ${values.length}.`,
      pointer,
      "Make shape and contents agree.",
    );
  if (datatype === "BYTES") {
    const elements = values as readonly Uint8Array[];
    return bytesForm === "packed" ? packElements(elements) : elements.map((bytes) => text(bytes, pointer));
  }
  return fill(values as readonly (boolean | Int64)[], datatype, pointer);
}

function fill(
  values: readonly (boolean | Int64)[],
  datatype: Exclude<Datatype, "BYTES">,
  pointer: string,
): TensorData {
  const kind = numericKinds[datatype];
  const out = kind.make(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
      out[i] = bigintOf(value as Int64);
      continue;
    }
    const number = Number(value);
    if (kind.whole && (number < Number(kind.whole.low) || number > Number(kind.whole.high)))
      throw badRequest(
        `${number} is not a value of ${datatype}.`,
        `${pointer}/${i}`,
        `Send numbers within the range of ${datatype}.`,
      );
    out[i] = number;
  }
  return out;
}

function text(bytes: Uint8Array, pointer: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw badRequest(
      "A BYTES element is not UTF-8.",
      pointer,
      "Models in process take UTF-8 text only; encode raw bytes as text, e.g. base64.",
    );
  }
}

/** An output's contents; `undefined` for datatypes that only travel raw. */
export function writeTypedContents(tensor: Tensor): ContentsMessage | undefined {
  const { data, datatype } = tensor;
  const field = fields[datatype];
  if (field === undefined) return undefined;
  const packed = packedElements(tensor);
  if (packed) return { bytes_contents: packed };
  if (!isTyped(data)) return { bytes_contents: data.map((value) => Buffer.from(value, "utf8")) };
  if (data instanceof BigInt64Array) return { int64_contents: Array.from(data, (v) => longOf(v, false)) };
  if (data instanceof BigUint64Array) return { uint64_contents: Array.from(data, (v) => longOf(v, true)) };
  if (datatype === "BOOL") return { bool_contents: Array.from(data, (value) => value !== 0) };
  return { [field]: Array.from(data) };
}
