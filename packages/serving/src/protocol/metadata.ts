import type { JsonObject } from "@portolan/kernel";
import type { Datatype, ModelSignature, TensorSpec } from "@portolan/onnx-format";

/** Body of `GET /v2`. Extensions are listed only when they are complete: clients change their behaviour by them. */
export function serverMetadata(version: string): {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
} {
  return {
    name: "portolan",
    version,
    extensions: ["binary_tensor_data", "parameters", "statistics", "model_configuration"],
  };
}

/**
 * Body of `GET /v2/models/{name}`.
 * @param platform what runs it, in Triton's words; `upstream` for what another server runs
 */
export function modelMetadata(
  name: string,
  versions: readonly string[],
  signature: ModelSignature,
  platform = "onnx_onnxv1",
): JsonObject {
  return {
    name,
    versions: [...versions],
    platform,
    inputs: signature.inputs.map(tensorMetadata),
    outputs: signature.outputs.map(tensorMetadata),
  };
}

function tensorMetadata(spec: TensorSpec): JsonObject {
  return { name: spec.name, datatype: spec.datatype, shape: spec.shape };
}

/** Rows of one request that the configuration promises to take; the real bound is the body's size. */
const largestBatch = 1024;

/**
 * Body of `GET /v2/models/{name}/config`, in Triton's words and as far as its clients read it. A model batches when
 * the first dimension of every tensor varies; `dims` are then those of one row.
 */
export function modelConfig(name: string, signature: ModelSignature, hasCache = false): JsonObject {
  const isBatched = [...signature.inputs, ...signature.outputs].every((spec) => spec.shape[0] === -1);
  const tensor = (spec: TensorSpec): JsonObject => ({
    name: spec.name,
    data_type: configType(spec.datatype),
    dims: isBatched ? spec.shape.slice(1) : spec.shape,
  });
  return {
    name,
    platform: "onnxruntime_onnx",
    backend: "onnxruntime",
    max_batch_size: isBatched ? largestBatch : 0,
    input: signature.inputs.map(tensor),
    output: signature.outputs.map(tensor),
    model_transaction_policy: { decoupled: false },
    response_cache: { enable: hasCache },
  };
}

function configType(datatype: Datatype): string {
  return datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`;
}
