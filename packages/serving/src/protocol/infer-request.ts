import type { ModelSignature } from "@portolan/onnx-format";
import { badRequest } from "./bad-request.ts";
import { type BytesForm, readBinaryTensor } from "./binary-tensor.ts";
import { parseWireJson, type WireJson, type WireObject } from "./json.ts";
import { readJsonTensor } from "./json-tensor.ts";
import { readPlainRequest } from "./plain-request.ts";
import { type CheckedInput, checkOutputName, describeTensors, SignatureCheck } from "./signature-check.ts";
import type { Tensor } from "./tensor.ts";

export type Parameter = string | number | bigint | boolean;
export type Parameters = Readonly<Record<string, Parameter>>;

export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
}

/** A request whose tensors fit the signature. */
export interface InferRequest {
  readonly id?: string;
  readonly parameters: Parameters;
  /** In the signature's order. */
  readonly inputs: readonly Tensor[];
  /** All outputs when the request named none. */
  readonly outputs: readonly RequestedOutput[];
}

const maxIdLength = 256;

/**
 * Reads an Open Inference Protocol v2 inference request, JSON alone or JSON followed by binary tensors
 * (`Inference-Header-Content-Length`), and checks it against what the endpoint takes.
 *
 * @param jsonBytes length of the JSON part; `undefined` when the whole body is JSON
 * @param bytesForm how binary BYTES are kept
 * @throws PortolanError `serving.bad_request` with a JSON pointer and the mend
 */
export function readInferRequest(
  body: Uint8Array,
  jsonBytes: number | undefined,
  signature: ModelSignature,
  bytesForm: BytesForm = "text",
): InferRequest {
  return (
    (jsonBytes === undefined ? readPlainRequest(body, signature) : undefined) ??
    readAnyRequest(body, jsonBytes, signature, bytesForm)
  );
}

/** Every form that the protocol knows. @throws PortolanError as `readInferRequest` */
export function readAnyRequest(
  body: Uint8Array,
  jsonBytes: number | undefined,
  signature: ModelSignature,
  bytesForm: BytesForm = "text",
): InferRequest {
  const json = parseWireJson(jsonBytes === undefined ? body : body.subarray(0, jsonBytes));
  if (!isObject(json)) throw badRequest("The request is not a JSON object.", "", 'Send {"inputs": […]}.');
  const binary = new BinaryTail(body.subarray(jsonBytes ?? body.length), bytesForm);
  const parameters = readParameters(json["parameters"], "/parameters");
  const inputs = readInputs(json["inputs"], binary, signature);
  binary.requireEmpty();
  const id = readId(json["id"]);
  const outputs = readOutputs(json["outputs"], signature, parameters["binary_data_output"] === true);
  return { ...(id === undefined ? {} : { id }), parameters, inputs, outputs };
}

/** Hands out the binary tail in the order of the tensors. */
class BinaryTail {
  #rest: Uint8Array;
  readonly bytesForm: BytesForm;
  constructor(bytes: Uint8Array, bytesForm: BytesForm) {
    this.#rest = bytes;
    this.bytesForm = bytesForm;
  }
  take(length: number, pointer: string): Uint8Array {
    if (length > this.#rest.length) {
      throw badRequest(
        `binary_data_size is ${length}, but ${this.#rest.length} bytes are left in the body.`,
        pointer,
        "Append the raw bytes of every binary tensor, in order.",
      );
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
  requireEmpty(): void {
    if (this.#rest.length > 0)
      throw badRequest(
        `${this.#rest.length} bytes follow the last tensor.`,
        "/inputs",
        "State binary_data_size for every binary tensor.",
      );
  }
}

function readInputs(list: WireJson | undefined, binary: BinaryTail, signature: ModelSignature): Tensor[] {
  if (!Array.isArray(list) || list.length === 0) {
    throw badRequest("The request has no inputs.", "/inputs", `Send ${describeTensors(signature.inputs)}.`);
  }
  const check = new SignatureCheck(signature);
  list.forEach((item, index) => {
    const pointer = `/inputs/${index}`;
    if (!isObject(item))
      throw badRequest("An input is not an object.", pointer, "Send name, shape, datatype, data.");
    const checked = check.check(
      { name: item["name"], datatype: item["datatype"], shape: item["shape"] },
      pointer,
    );
    check.add(checked, readData(item, checked, binary, pointer));
  });
  return check.finish();
}

function readData(
  item: WireObject,
  { spec, shape }: CheckedInput,
  binary: BinaryTail,
  pointer: string,
): Tensor["data"] {
  const parameters = readParameters(item["parameters"], `${pointer}/parameters`);
  const size = parameters["binary_data_size"];
  if (size === undefined) {
    if (item["data"] === undefined)
      throw badRequest(`The input "${spec.name}" has no data.`, pointer, "Send data, or binary_data_size.");
    return readJsonTensor(item["data"], spec.datatype, shape, `${pointer}/data`);
  }
  const sizePointer = `${pointer}/parameters/binary_data_size`;
  if (item["data"] !== undefined)
    throw badRequest(
      `The input "${spec.name}" has both data and binary_data_size.`,
      pointer,
      "Send one of them.",
    );
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw badRequest("binary_data_size is not a whole number.", sizePointer, "Send the number of bytes.");
  return readBinaryTensor(
    binary.take(size, sizePointer),
    spec.datatype,
    shape,
    sizePointer,
    binary.bytesForm,
  );
}

function readOutputs(
  list: WireJson | undefined,
  signature: ModelSignature,
  binaryByDefault: boolean,
): RequestedOutput[] {
  if (list === undefined)
    return signature.outputs.map((output) => ({ name: output.name, binary: binaryByDefault }));
  if (!Array.isArray(list))
    throw badRequest("outputs is not an array.", "/outputs", "Send an array, or leave it out.");
  const seen = new Set<string>();
  const outputs = list.map((item, index) => {
    const pointer = `/outputs/${index}`;
    if (!isObject(item))
      throw badRequest("An output is not an object.", pointer, "Send an object with a name.");
    const name = checkOutputName(item["name"], seen, signature, pointer);
    const wish = readParameters(item["parameters"], `${pointer}/parameters`)["binary_data"];
    return { name, binary: typeof wish === "boolean" ? wish : binaryByDefault };
  });
  return outputs.length === 0 ? readOutputs(undefined, signature, binaryByDefault) : outputs;
}

function readId(value: WireJson | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value.length > maxIdLength)
    throw badRequest(
      "id is not a short string.",
      "/id",
      `Send a string of at most ${maxIdLength} characters.`,
    );
  return value;
}

function readParameters(value: WireJson | undefined, pointer: string): Parameters {
  if (value === undefined) return {};
  if (!isObject(value))
    throw badRequest("parameters is not an object.", pointer, "Send an object, or leave it out.");
  for (const [key, entry] of Object.entries(value)) {
    if (entry === null || typeof entry === "object")
      throw badRequest(
        `The parameter "${key.slice(0, 60)}" is not a string, number or bool.`,
        pointer,
        "Send plain values.",
      );
  }
  return value as Record<string, Parameter>;
}

function isObject(value: WireJson | undefined): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
