import type { ErrorSpec } from "@portolan/kernel";

export const onnxErrors = {
  "onnx.load_failed": { status: 422, title: "ONNX Runtime cannot load the model" },
  "onnx.quarantined": { status: 503, title: "The model is quarantined" },
} as const satisfies Record<string, ErrorSpec>;
export type OnnxErrorCode = keyof typeof onnxErrors;
