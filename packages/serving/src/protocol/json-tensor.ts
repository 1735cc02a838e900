import type { Datatype } from "@portolan/onnx-format";
import { badRequest } from "./bad-request.ts";
import type { WireJson } from "./json.ts";
import { elementsOf, type NumericKind, numericKinds, type TensorData } from "./tensor.ts";

/** Reads `data` of a JSON tensor, nested or flat, into `shape`; refuses what does not fit exactly. */
export function readJsonTensor(
  data: WireJson,
  datatype: Datatype,
  shape: readonly number[],
  pointer: string,
): TensorData {
  if (!Array.isArray(data)) {
    throw badRequest(`The data of this tensor is not an array.`, pointer, "Send an array, nested or flat.");
  }
  const flat = flatten(data, shape, pointer);
  const expected = elementsOf(shape);
  if (flat.length !== expected) {
    throw badRequest(
      `The shape [${shape.join(", ")}] holds ${expected} elements, the data ${flat.length}.`,
      pointer,
      "Make shape and data agree.",
    );
  }
  if (datatype === "BYTES") return flat.map((value, index) => readText(value, `${pointer}/${index}`));
  if (datatype === "FP16" || datatype === "BF16") {
    throw badRequest(
      `${datatype} has no JSON form.`,
      pointer,
      "Send this tensor as binary data (parameter binary_data_size).",
    );
  }
  return readNumbers(flat, datatype, numericKinds[datatype], pointer);
}

function flatten(data: WireJson[], shape: readonly number[], pointer: string): WireJson[] {
  if (!Array.isArray(data[0])) return data;
  let level: WireJson[] = data;
  for (let depth = 0; depth < shape.length; depth++) {
    if (depth > 0) {
      const next: WireJson[] = [];
      for (const item of level) {
        if (!Array.isArray(item) || item.length !== shape[depth]) throw ragged(shape, pointer);
        for (const inner of item) next.push(inner);
      }
      level = next;
    } else if (level.length !== shape[0]) throw ragged(shape, pointer);
  }
  return level;
}

function ragged(shape: readonly number[], pointer: string): Error {
  return badRequest(
    `The nesting of the data does not match the shape [${shape.join(", ")}].`,
    pointer,
    "Nest the data as the shape says, or send it flat in row-major order.",
  );
}

function readText(value: WireJson, pointer: string): string {
  if (typeof value === "string") return value;
  throw badRequest("A BYTES element is not a string.", pointer, "Send strings.");
}

function readNumbers(
  flat: readonly WireJson[],
  datatype: Datatype,
  kind: NumericKind,
  pointer: string,
): TensorData {
  const out = kind.make(flat.length);
  const isBig = out instanceof BigInt64Array || out instanceof BigUint64Array;
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    if (datatype === "BOOL") {
      if (typeof value !== "boolean") throw misfit(value, datatype, `${pointer}/${i}`);
      (out as Uint8Array)[i] = value ? 1 : 0;
    } else if (typeof value !== "number" && typeof value !== "bigint") {
      throw misfit(value, datatype, `${pointer}/${i}`);
    } else if (!kind.whole) {
      const float = Number(value);
      (out as Float32Array | Float64Array)[i] = float;
      if (!Number.isFinite((out as Float32Array | Float64Array)[i]))
        throw misfit(value, datatype, `${pointer}/${i}`);
    } else {
      if (typeof value === "number" && !Number.isSafeInteger(value))
        throw misfit(value, datatype, `${pointer}/${i}`);
      if (value < kind.whole.low || value > kind.whole.high) throw misfit(value, datatype, `${pointer}/${i}`);
      if (isBig) out[i] = BigInt(value);
      else (out as Int32Array)[i] = Number(value);
    }
  }
  return out;
}

function misfit(value: WireJson | undefined, datatype: Datatype, pointer: string): Error {
  const shown =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "An array"
        : typeof value === "object"
          ? "An object"
          : `"${String(value).slice(0, 40)}"`;
  return badRequest(
    `${shown} is not a value of ${datatype}.`,
    pointer,
    `Send ${datatype === "BOOL" ? "true or false" : `numbers within the range of ${datatype}`}.`,
  );
}
