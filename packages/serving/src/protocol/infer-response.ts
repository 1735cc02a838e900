import { PortolanError } from "@portolan/kernel";
import type { ServingErrorCode } from "../errors.ts";
import { isTyped, withText, writeBinaryTensor } from "./binary-tensor.ts";
import type { Parameter, RequestedOutput } from "./infer-request.ts";
import type { Tensor, TensorData } from "./tensor.ts";

export interface InferAnswer {
  readonly modelName: string;
  readonly modelVersion: string;
  /** Echoed when the request had one. */
  readonly id?: string | undefined;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly outputs: readonly Tensor[];
}

export interface WrittenResponse {
  readonly body: Uint8Array;
  /** Length of the JSON part when binary tensors follow: goes into `Inference-Header-Content-Length`. */
  readonly jsonBytes?: number;
}

/**
 * Writes an inference response: the requested outputs, in their order, as JSON or binary as asked.
 *
 * @throws PortolanError `serving.model_failed` for NaN or infinity in a JSON output, which JSON cannot carry
 */
export function writeInferResponse(
  answer: InferAnswer,
  requested: readonly RequestedOutput[],
): WrittenResponse {
  const binary: Uint8Array[] = [];
  const outputs = requested.map(({ name, binary: asBinary }) => {
    return writeOutput(findOutput(answer, name), asBinary, binary);
  });
  const parameters = Object.entries(answer.parameters).map(
    ([key, value]) => `${JSON.stringify(key)}:${scalar(value)}`,
  );
  const json = Buffer.from(
    `{"model_name":${JSON.stringify(answer.modelName)},"model_version":${JSON.stringify(answer.modelVersion)},` +
      (answer.id === undefined ? "" : `"id":${JSON.stringify(answer.id)},`) +
      (parameters.length === 0 ? "" : `"parameters":{${parameters.join(",")}},`) +
      `"outputs":[${outputs.join(",")}]}`,
  );
  return binary.length === 0
    ? { body: json }
    : { body: Buffer.concat([json, ...binary]), jsonBytes: json.length };
}

/** @throws PortolanError `serving.model_failed` when the model did not give it */
export function findOutput(answer: InferAnswer, name: string): Tensor {
  const tensor = answer.outputs.find((output) => output.name === name);
  if (!tensor) throw failed(`The model gave no output "${name}".`);
  return tensor;
}

function writeOutput(tensor: Tensor, asBinary: boolean, binary: Uint8Array[]): string {
  const head = `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(",")}]`;
  if (asBinary) {
    const bytes = writeBinaryTensor(tensor.data);
    binary.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  }
  return `${head},"data":[${jsonElements(tensor)}]}`;
}

function jsonElements(tensor: Tensor): string {
  const { data, datatype } = tensor;
  if (!isTyped(data) || datatype === "BOOL" || datatype === "BYTES") return elementTexts(tensor).join(",");
  requireJsonForm(tensor);
  return data.join(",");
}

/**
 * The JSON of each element.
 * @throws PortolanError `serving.bad_request` or `serving.model_failed` for what JSON cannot carry
 */
export function elementTexts(tensor: Tensor): string[] {
  const { data, datatype } = requireText(tensor);
  if (!isTyped(data)) return data.map((text) => JSON.stringify(text));
  if (datatype === "BOOL") return Array.from(data as Uint8Array, (bit) => (bit === 0 ? "false" : "true"));
  requireJsonForm(tensor);
  return data instanceof BigInt64Array || data instanceof BigUint64Array
    ? Array.from(data, String)
    : Array.from(data, String);
}

function requireText(tensor: Tensor): Tensor {
  const text = withText(tensor);
  if (text) return text;
  throw new PortolanError<ServingErrorCode>("serving.bad_request", {
    detail: `The output "${tensor.name}" holds bytes that are not UTF-8, which JSON cannot carry.`,
    mend: "Ask for this output as binary data.",
    at: { pointer: "/outputs" },
  });
}

function requireJsonForm({ name, datatype, data }: Tensor): void {
  if (datatype === "FP16" || datatype === "BF16")
    throw new PortolanError<ServingErrorCode>("serving.bad_request", {
      detail: `${datatype} has no JSON form.`,
      mend: "Ask for this output as binary data.",
      at: { pointer: "/outputs" },
    });
  if ((datatype === "FP32" || datatype === "FP64") && !isFiniteEverywhere(data))
    throw failed(`The output "${name}" holds NaN or infinity, which JSON cannot carry.`);
}

function isFiniteEverywhere(data: TensorData): boolean {
  for (const value of data) if (!Number.isFinite(value)) return false;
  return true;
}

function scalar(value: Parameter): string {
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value);
}

function failed(detail: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_failed", {
    detail,
    mend: "Check the inputs; if they are sound, the model needs to be looked at.",
  });
}
