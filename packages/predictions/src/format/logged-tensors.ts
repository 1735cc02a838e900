import type { SubjectNumber } from "./subject-number.ts";

/** A tensor of the Open Inference Protocol whose values are numbers in bytes. */
export interface LoggedTensor {
  readonly name: string;
  /** Whether the number is one of its values. */
  readonly has: (number: SubjectNumber) => boolean;
}

/** Requests name their raw tensors in another field than answers. */
export type Direction = "inputs" | "outputs";

/**
 * Reads bodies as far as they go, without the model's signature: failed requests are on record, too. What is no message, or ends before
 * it should, yields the tensors up to there. Pure.
 */
export function tensorsOf(
  body: Buffer,
  header: { readonly request: unknown; readonly bytes: number } | undefined,
  direction: Direction,
): LoggedTensor[] {
  return header === undefined ? tensorsOfMessage(body, direction) : tensorsBehind(body, header, direction);
}

/** Of the binary extension: in the header's order, from the body's end, for a header may be padded. */
function tensorsBehind(
  body: Buffer,
  header: { readonly request: unknown; readonly bytes: number },
  direction: Direction,
): LoggedTensor[] {
  const described = member(header.request, direction);
  if (!Array.isArray(described)) return [];
  const binary = (described as readonly unknown[]).flatMap((one) => {
    const size = member(member(one, "parameters"), "binary_data_size");
    return typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? [{ one, size }] : [];
  });
  let at = Math.max(header.bytes, body.length - binary.reduce((sum, { size }) => sum + size, 0));
  return binary.map(({ one, size }) => {
    const bytes = body.subarray(at, at + size);
    at += size;
    return rawTensor(text(member(one, "name")), text(member(one, "datatype")), bytes);
  });
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

type Element = { readonly bytes: number; readonly read: (view: DataView, at: number) => number | bigint };

const floats: Readonly<Record<string, Element>> = {
  FP64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  FP32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  FP16: { bytes: 2, read: (view, at) => half(view.getUint16(at, true)) },
  BF16: { bytes: 2, read: (view, at) => bfloat(view.getUint16(at, true)) },
};

const elements: Readonly<Record<string, Element>> = {
  INT64: { bytes: 8, read: (view, at) => view.getBigInt64(at, true) },
  UINT64: { bytes: 8, read: (view, at) => view.getBigUint64(at, true) },
  INT32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  UINT32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  INT16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  UINT16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  INT8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  UINT8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  ...floats,
};

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bfloat(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

/** Texts are found by their length, wherever they stand. */
function rawTensor(name: string, datatype: string, bytes: Uint8Array): LoggedTensor {
  const element = elements[datatype];
  return { name, has: (number) => element !== undefined && hasElement(bytes, datatype, element, number) };
}

function hasElement(
  bytes: Uint8Array,
  datatype: string,
  { bytes: width, read }: Element,
  number: SubjectNumber,
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isValue = number.equals(datatype);
  for (let at = 0; at + width <= bytes.length; at += width) if (isValue(read(view, at))) return true;
  return false;
}

/**
 * Whether the number is in bytes that nothing describes, such as a raw request (`Inference-Header-Content-Length: 0`): read as one tensor
 * of each datatype that tells the number from its neighbours, and is wide enough that it does not stand there by chance.
 */
export function isInRawBytes(bytes: Uint8Array, number: SubjectNumber): boolean {
  return ["INT64", "UINT64", "FP64", "INT32", "UINT32", "FP32"].some((datatype) => {
    const element = elements[datatype];
    if (element === undefined || bytes.length % element.bytes !== 0) return false;
    return hasElement(bytes, datatype, element, number);
  });
}

const [varint, fixed64, delimited, fixed32] = [0, 1, 2, 5];

interface Field {
  readonly id: number;
  readonly value: bigint;
  /** Of texts, messages and packed numbers. */
  readonly bytes: Buffer | undefined;
}

/** The fields of a protobuf message, until it ends or is none. */
function* fieldsOf(message: Buffer): Generator<Field> {
  const reader = new Varints(message);
  while (reader.at < message.length) {
    const tag = reader.next();
    if (tag === undefined) return;
    const [id, type] = [Number(tag >> 3n), Number(tag & 7n)];
    if (type === varint) {
      const value = reader.next();
      if (value === undefined) return;
      yield { id, value, bytes: undefined };
      continue;
    }
    const length =
      type === fixed64 ? 8n : type === fixed32 ? 4n : type === delimited ? reader.next() : undefined;
    if (length === undefined || BigInt(reader.at) + length > BigInt(message.length)) return;
    const end = reader.at + Number(length);
    yield { id, value: 0n, bytes: message.subarray(reader.at, end) };
    reader.at = end;
  }
}

class Varints {
  at = 0;
  readonly #bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Nothing at the end, or where none stands. */
  next(): bigint | undefined {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return undefined;
  }
}

/** Fields of `ModelInferRequest` and `ModelInferResponse`; raw contents are in the order of the tensors. */
const tensorsId = 5;
const rawIds: Readonly<Record<Direction, number>> = { inputs: 7, outputs: 6 };

function tensorsOfMessage(body: Buffer, direction: Direction): LoggedTensor[] {
  const described: { name: string; datatype: string; contents: Buffer[] }[] = [];
  const raw: Buffer[] = [];
  for (const { id, bytes } of fieldsOf(body)) {
    if (bytes === undefined) continue;
    if (id === rawIds[direction]) raw.push(bytes);
    if (id === tensorsId) described.push(describedIn(bytes));
  }
  return described.flatMap(({ name, datatype, contents }, index) => {
    const bytes = raw[index];
    return [
      ...(bytes === undefined ? [] : [rawTensor(name, datatype, bytes)]),
      ...contents.map((one): LoggedTensor => ({ name, has: (number) => isInContents(one, number) })),
    ];
  });
}

function describedIn(tensor: Buffer): { name: string; datatype: string; contents: Buffer[] } {
  const found = { name: "", datatype: "", contents: [] as Buffer[] };
  for (const { id, bytes } of fieldsOf(tensor)) {
    if (bytes === undefined) continue;
    if (id === 1) found.name = bytes.toString("utf8");
    if (id === 2) found.datatype = bytes.toString("utf8");
    if (id === 5) found.contents.push(bytes);
  }
  return found;
}

/** Fields of `InferTensorContents`, by how their numbers are written. */
const wholes: Readonly<Record<number, (value: bigint) => bigint>> = {
  // A negative int32 is written with the sign of 64 bits.
  2: (value) => BigInt.asIntN(32, value),
  3: (value) => BigInt.asIntN(64, value),
  4: (value) => value,
  5: (value) => value,
};
const floatsById: Readonly<Record<number, string>> = { 6: "FP32", 7: "FP64" };

function isInContents(contents: Buffer, number: SubjectNumber): boolean {
  const isWhole = number.equals("INT64");
  for (const { id, value, bytes } of fieldsOf(contents)) {
    const whole = wholes[id];
    const datatype = floatsById[id];
    if (whole !== undefined && bytes === undefined && isWhole(whole(value))) return true;
    if (whole !== undefined && bytes !== undefined) {
      const packed = new Varints(bytes);
      for (let next = packed.next(); next !== undefined; next = packed.next())
        if (isWhole(whole(next))) return true;
    }
    const element = datatype === undefined ? undefined : floats[datatype];
    if (datatype !== undefined && element && bytes && hasElement(bytes, datatype, element, number))
      return true;
  }
  return false;
}
