import type { ErrorSpec } from "@portolan/kernel";

export const onnxFormatErrors = {
  "onnx_format.malformed": { status: 422, title: "Not a readable ONNX file" },
  "onnx_format.too_large": { status: 413, title: "ONNX file exceeds a limit" },
  "onnx_format.unsafe": { status: 422, title: "ONNX model is not safe to load" },
} as const satisfies Record<string, ErrorSpec>;
export type OnnxFormatErrorCode = keyof typeof onnxFormatErrors;
