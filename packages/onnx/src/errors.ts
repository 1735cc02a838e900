import { type ErrorSpec, PortolanError } from "@portolan/kernel";

export const onnxErrors = {
  "onnx.load_failed": { status: 422, title: "ONNX Runtime cannot load the model" },
  "onnx.quarantined": { status: 503, title: "The model is quarantined" },
} as const satisfies Record<string, ErrorSpec>;
export type OnnxErrorCode = keyof typeof onnxErrors;

export function loadFailed(
  { label }: { readonly label: string },
  reason: string,
): PortolanError<OnnxErrorCode> {
  return new PortolanError<OnnxErrorCode>("onnx.load_failed", {
    detail: `${label}: ${reason}`,
    mend: "Run the model once with onnxruntime where it was made, and export it again.",
  });
}
