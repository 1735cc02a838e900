import type { Datatype } from "@portolan/onnx-format";

/**
 * Row-major elements. BOOL is one byte each, FP16 and BF16 their bits. BYTES are strings; on their way through to a server elsewhere,
 * which alone takes bytes that are no UTF-8, they stay packed: a Uint8Array of elements, each behind its length (4 bytes, little-endian).
 */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[];

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** How one datatype is kept and checked. Bounds are inclusive. */
export interface NumericKind {
  readonly bytes: number;
  readonly make: (length: number) => Exclude<TensorData, readonly string[]>;
  readonly whole?: { readonly low: bigint; readonly high: bigint };
}

function signed(bits: bigint): { low: bigint; high: bigint } {
  return { low: -(1n << (bits - 1n)), high: (1n << (bits - 1n)) - 1n };
}
function unsigned(bits: bigint): { low: bigint; high: bigint } {
  return { low: 0n, high: (1n << bits) - 1n };
}

/** Every datatype with elements of one size; BYTES has none. */
export const numericKinds: Readonly<Record<Exclude<Datatype, "BYTES">, NumericKind>> = {
  BOOL: { bytes: 1, make: (n) => new Uint8Array(n) },
  UINT8: { bytes: 1, make: (n) => new Uint8Array(n), whole: unsigned(8n) },
  UINT16: { bytes: 2, make: (n) => new Uint16Array(n), whole: unsigned(16n) },
  UINT32: { bytes: 4, make: (n) => new Uint32Array(n), whole: unsigned(32n) },
  UINT64: { bytes: 8, make: (n) => new BigUint64Array(n), whole: unsigned(64n) },
  INT8: { bytes: 1, make: (n) => new Int8Array(n), whole: signed(8n) },
  INT16: { bytes: 2, make: (n) => new Int16Array(n), whole: signed(16n) },
  INT32: { bytes: 4, make: (n) => new Int32Array(n), whole: signed(32n) },
  INT64: { bytes: 8, make: (n) => new BigInt64Array(n), whole: signed(64n) },
  FP16: { bytes: 2, make: (n) => new Uint16Array(n) },
  BF16: { bytes: 2, make: (n) => new Uint16Array(n) },
  FP32: { bytes: 4, make: (n) => new Float32Array(n) },
  FP64: { bytes: 8, make: (n) => new Float64Array(n) },
};

/** Elements of a shape; a scalar has one. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Rows of a tensor: its first dimension, 1 for a scalar. */
export function rowsOf(shape: readonly number[]): number {
  return shape[0] ?? 1;
}
