/** One tensor element type: ONNX's number and name, the Open Inference Protocol's name, its width. */
export interface ElementType {
  readonly code: number;
  readonly onnx: string;
  /** Datatype name of the Open Inference Protocol; absent where the protocol has none. */
  readonly datatype?: Datatype;
  /** Bits per element; 0 for strings, whose length varies. */
  readonly bits: number;
}

export const datatypes = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BF16",
  "BYTES",
] as const;
/** Open Inference Protocol datatypes, with Triton's BF16. */
export type Datatype = (typeof datatypes)[number];

const table: readonly ElementType[] = [
  { code: 1, onnx: "FLOAT", datatype: "FP32", bits: 32 },
  { code: 2, onnx: "UINT8", datatype: "UINT8", bits: 8 },
  { code: 3, onnx: "INT8", datatype: "INT8", bits: 8 },
  { code: 4, onnx: "UINT16", datatype: "UINT16", bits: 16 },
  { code: 5, onnx: "INT16", datatype: "INT16", bits: 16 },
  { code: 6, onnx: "INT32", datatype: "INT32", bits: 32 },
  { code: 7, onnx: "INT64", datatype: "INT64", bits: 64 },
  { code: 8, onnx: "STRING", datatype: "BYTES", bits: 0 },
  { code: 9, onnx: "BOOL", datatype: "BOOL", bits: 8 },
  { code: 10, onnx: "FLOAT16", datatype: "FP16", bits: 16 },
  { code: 11, onnx: "DOUBLE", datatype: "FP64", bits: 64 },
  { code: 12, onnx: "UINT32", datatype: "UINT32", bits: 32 },
  { code: 13, onnx: "UINT64", datatype: "UINT64", bits: 64 },
  { code: 14, onnx: "COMPLEX64", bits: 64 },
  { code: 15, onnx: "COMPLEX128", bits: 128 },
  { code: 16, onnx: "BFLOAT16", datatype: "BF16", bits: 16 },
  { code: 17, onnx: "FLOAT8E4M3FN", bits: 8 },
  { code: 18, onnx: "FLOAT8E4M3FNUZ", bits: 8 },
  { code: 19, onnx: "FLOAT8E5M2", bits: 8 },
  { code: 20, onnx: "FLOAT8E5M2FNUZ", bits: 8 },
  { code: 21, onnx: "UINT4", bits: 4 },
  { code: 22, onnx: "INT4", bits: 4 },
  { code: 23, onnx: "FLOAT4E2M1", bits: 4 },
  { code: 24, onnx: "FLOAT8E8M0", bits: 8 },
];
const byCode = new Map(table.map((type) => [type.code, type]));

export function elementTypeOf(code: number): ElementType | undefined {
  return byCode.get(code);
}

/** Bytes that `count` elements take; strings count as one byte each, their least. */
export function bytesOf(type: ElementType, count: number): number {
  return type.bits === 0 ? count : Math.ceil((count * type.bits) / 8);
}
