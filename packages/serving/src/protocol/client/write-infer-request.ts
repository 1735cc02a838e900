import { writeBinaryTensor } from "../binary-tensor.ts";
import { elementTexts } from "../infer-response.ts";
import type { Tensor } from "../tensor.ts";

export interface WrittenRequest {
  /** The body in pieces, so that tensors are not copied once more. */
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** Length of the JSON part when binary tensors follow: goes into `Inference-Header-Content-Length`. */
  readonly jsonBytes?: number;
}

/**
 * An Open Inference Protocol v2 inference request to another server, for all of its outputs.
 * @param binary whether that server speaks the binary tensor extension: then tensors go as they are, and come back so
 * @throws PortolanError for what JSON cannot carry (FP16, BF16, BYTES that are not UTF-8)
 */
export function writeInferRequest(inputs: readonly Tensor[], binary: boolean): WrittenRequest {
  const tails: Uint8Array[] = [];
  const tensors = inputs.map((tensor) => {
    const { name, datatype, shape } = tensor;
    const head = `{"name":${JSON.stringify(name)},"shape":[${shape.join(",")}],"datatype":"${datatype}"`;
    if (!binary) return `${head},"data":[${elementTexts(tensor).join(",")}]}`;
    const tail = writeBinaryTensor(tensor.data);
    tails.push(tail);
    return `${head},"parameters":{"binary_data_size":${tail.length}}}`;
  });
  const wish = binary ? '"parameters":{"binary_data_output":true},' : "";
  const json = Buffer.from(`{${wish}"inputs":[${tensors.join(",")}]}`);
  const bytes = tails.reduce((sum, tail) => sum + tail.length, json.length);
  return { parts: [json, ...tails], bytes, ...(binary ? { jsonBytes: json.length } : {}) };
}
