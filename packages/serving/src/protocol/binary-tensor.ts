import type { Datatype } from "@portolan/onnx-format";
import { badRequest } from "./bad-request.ts";
import { elementsOf, numericKinds, type Tensor, type TensorData } from "./tensor.ts";

// Typed arrays have the machine's byte order, the protocol is little-endian; Node runs on no big-endian machine that we support.
if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1)
  throw new Error("Portolan's gateway needs a little-endian machine");

/** How BYTES elements are kept: as text, or packed for a server elsewhere, which alone takes bytes that are no UTF-8. */
export type BytesForm = "text" | "packed";

/** Reads one tensor of the binary extension: little-endian, row-major, BYTES with 4-byte lengths. */
export function readBinaryTensor(
  bytes: Uint8Array,
  datatype: Datatype,
  shape: readonly number[],
  pointer: string,
  bytesForm: BytesForm = "text",
): TensorData {
  const elements = elementsOf(shape);
  if (datatype === "BYTES") {
    const parts = splitElements(bytes, elements, pointer);
    return bytesForm === "packed" ? Uint8Array.from(bytes) : parts.map((part) => readText(part, pointer));
  }
  const kind = numericKinds[datatype];
  if (bytes.length !== elements * kind.bytes) {
    throw badRequest(
      `The shape [${shape.join(", ")}] of ${datatype} takes ${elements * kind.bytes} bytes, ${bytes.length} came.`,
      pointer,
      "Make shape and binary_data_size agree.",
    );
  }
  const out = kind.make(elements);
  // Copied, because a view would need the body to be aligned to the element size.
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  if (datatype === "BOOL" && (out as Uint8Array).some((byte) => byte > 1)) {
    throw badRequest("A BOOL byte is neither 0 nor 1.", pointer, "Send 0 or 1.");
  }
  return out;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The elements of packed BYTES, as views. @throws PortolanError `serving.bad_request` when lengths or their number do not fit */
function splitElements(bytes: Uint8Array, elements: number, pointer: string): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length)
      throw badRequest(
        "A BYTES element ends beyond its tensor.",
        pointer,
        "Prefix each element with its length.",
      );
    out.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (out.length !== elements) {
    throw badRequest(
      `The shape holds ${elements} elements, the data ${out.length}.`,
      pointer,
      "Make shape and data agree.",
    );
  }
  return out;
}

function readText(bytes: Uint8Array, pointer: string): string {
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

/** BYTES that were never decoded, element by element; `undefined` for every other tensor. */
export function packedElements({ datatype, shape, data }: Tensor): Uint8Array[] | undefined {
  return datatype === "BYTES" && isTyped(data)
    ? splitElements(data as Uint8Array, elementsOf(shape), "")
    : undefined;
}

/** Elements behind their lengths, as the binary extension and raw gRPC contents have them. */
export function packElements(elements: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const bytes of elements) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/**
 * The tensor with its BYTES as text.
 * @returns `undefined` when they are packed and no UTF-8
 */
export function withText(tensor: Tensor): Tensor | undefined {
  const packed = packedElements(tensor);
  if (!packed) return tensor;
  try {
    return { ...tensor, data: packed.map((bytes) => decoder.decode(bytes)) };
  } catch {
    return undefined;
  }
}

/** The bytes of an output tensor in the binary extension. */
export function writeBinaryTensor(data: TensorData): Uint8Array {
  if (isTyped(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return packElements(data.map((text) => Buffer.from(text, "utf8")));
}

/** Narrowing that TypeScript does not do by `Array.isArray` on readonly arrays. */
export function isTyped(data: TensorData): data is Exclude<TensorData, readonly string[]> {
  return ArrayBuffer.isView(data);
}
