import type { JsonObject } from "@portolan/kernel";
import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";

/** Body of `GET /v2`. Extensions are listed only when they are complete: clients change their behaviour by them. */
export function serverMetadata(version: string): JsonObject {
  return { name: "portolan", version, extensions: ["binary_tensor_data", "parameters"] };
}

/** Body of `GET /v2/models/{name}`. */
export function modelMetadata(name: string, version: string, signature: ModelSignature): JsonObject {
  return {
    name,
    versions: [version],
    platform: "onnx_onnxv1",
    inputs: signature.inputs.map(tensorMetadata),
    outputs: signature.outputs.map(tensorMetadata),
  };
}

function tensorMetadata(spec: TensorSpec): JsonObject {
  return { name: spec.name, datatype: spec.datatype, shape: spec.shape };
}
