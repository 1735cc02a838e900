import { type Datatype, datatypes, type ModelSignature, type TensorSpec } from "@portolan/onnx-format";
import { badRequest } from "./bad-request.ts";
import { readBinaryTensor } from "./binary-tensor.ts";
import { parseWireJson, type WireJson, type WireObject } from "./json.ts";
import { readJsonTensor } from "./json-tensor.ts";
import { elementsOf, type Tensor } from "./tensor.ts";

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

const maxRank = 16;
const maxIdLength = 256;
/** Beyond this no body within the limits could hold the elements. */
const maxElements = 2 ** 31;

/**
 * Reads an Open Inference Protocol v2 inference request, JSON alone or JSON followed by binary tensors
 * (`Inference-Header-Content-Length`), and checks it against what the endpoint takes.
 *
 * @param jsonBytes length of the JSON part; `undefined` when the whole body is JSON
 * @throws PortolanError `serving.bad_request` with a JSON pointer and the mend
 */
export function readInferRequest(
  body: Uint8Array,
  jsonBytes: number | undefined,
  signature: ModelSignature,
): InferRequest {
  const json = parseWireJson(jsonBytes === undefined ? body : body.subarray(0, jsonBytes));
  if (!isObject(json)) throw badRequest("The request is not a JSON object.", "", 'Send {"inputs": […]}.');
  const binary = new BinaryTail(body.subarray(jsonBytes ?? body.length));
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
  constructor(bytes: Uint8Array) {
    this.#rest = bytes;
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
    throw badRequest("The request has no inputs.", "/inputs", `Send ${describe(signature.inputs)}.`);
  }
  const found = new Map<string, Tensor>();
  const symbols = new Map<string, number>();
  list.forEach((item, index) => {
    const pointer = `/inputs/${index}`;
    if (!isObject(item))
      throw badRequest("An input is not an object.", pointer, "Send name, shape, datatype, data.");
    const spec = findSpec(item["name"], signature, pointer);
    if (found.has(spec.name))
      throw badRequest(`The input "${spec.name}" comes twice.`, pointer, "Send each input once.");
    requireDatatype(item["datatype"], spec, `${pointer}/datatype`);
    const shape = readShape(item["shape"], spec, symbols, `${pointer}/shape`);
    found.set(spec.name, {
      name: spec.name,
      datatype: spec.datatype,
      shape,
      data: readData(item, spec, shape, binary, pointer),
    });
  });
  return signature.inputs.map((spec) => {
    const tensor = found.get(spec.name);
    if (!tensor)
      throw badRequest(`The input "${spec.name}" is missing.`, "/inputs", `Send ${describe([spec])}.`);
    return tensor;
  });
}

function findSpec(name: WireJson | undefined, signature: ModelSignature, pointer: string): TensorSpec {
  const spec = typeof name === "string" ? signature.inputs.find((input) => input.name === name) : undefined;
  if (spec) return spec;
  const shown = typeof name === "string" ? `"${name.slice(0, 60)}"` : "without a name";
  throw badRequest(
    `The model has no input ${shown}.`,
    `${pointer}/name`,
    `Send ${describe(signature.inputs)}.`,
  );
}

function requireDatatype(datatype: WireJson | undefined, spec: TensorSpec, pointer: string): void {
  if (datatype === spec.datatype) return;
  const known = typeof datatype === "string" && (datatypes as readonly string[]).includes(datatype);
  throw badRequest(
    `The input "${spec.name}" is ${spec.datatype}, the request says ${known ? String(datatype) : "something else"}.`,
    pointer,
    `Send ${spec.datatype satisfies Datatype}.`,
  );
}

function readShape(
  value: WireJson | undefined,
  spec: TensorSpec,
  symbols: Map<string, number>,
  pointer: string,
): number[] {
  const expected = `[${spec.shape.join(", ")}]`;
  if (!Array.isArray(value) || value.length > maxRank)
    throw badRequest(
      `The shape of "${spec.name}" is missing.`,
      pointer,
      `Send a shape that fits ${expected}.`,
    );
  const shape = value.map((dim) => {
    if (typeof dim === "number" && Number.isSafeInteger(dim) && dim >= 0) return dim;
    throw badRequest(
      `A dimension of "${spec.name}" is not a whole number.`,
      pointer,
      "Send the actual sizes.",
    );
  });
  const fits =
    shape.length === spec.shape.length &&
    shape.every((dim, i) => spec.shape[i] === -1 || spec.shape[i] === dim);
  if (!fits || elementsOf(shape) > maxElements) {
    throw badRequest(
      `The shape [${shape.join(", ")}] of "${spec.name}" does not fit ${expected}.`,
      pointer,
      "Send a shape that fits; -1 stands for any size.",
    );
  }
  if (elementsOf(shape) === 0)
    throw badRequest(`The input "${spec.name}" is empty.`, pointer, "Send at least one row.");
  shape.forEach((dim, i) => bindSymbol(spec.symbols?.[i], dim, symbols, spec.name, pointer));
  return shape;
}

/** Inputs that share a named dimension must agree on its size. */
function bindSymbol(
  symbol: string | null | undefined,
  dim: number,
  symbols: Map<string, number>,
  name: string,
  pointer: string,
): void {
  if (!symbol) return;
  const bound = symbols.get(symbol);
  if (bound !== undefined && bound !== dim)
    throw badRequest(
      `"${name}" has ${dim} where another input has ${bound} (dimension ${symbol}).`,
      pointer,
      "Send the same number of rows in every input.",
    );
  symbols.set(symbol, dim);
}

function readData(
  item: WireObject,
  spec: TensorSpec,
  shape: readonly number[],
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
  return readBinaryTensor(binary.take(size, sizePointer), spec.datatype, shape, sizePointer);
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
    const name = isObject(item) ? item["name"] : undefined;
    if (
      !isObject(item) ||
      typeof name !== "string" ||
      !signature.outputs.some((output) => output.name === name)
    )
      throw badRequest(
        "The model has no such output.",
        `${pointer}/name`,
        `Ask for ${describe(signature.outputs)}.`,
      );
    if (seen.has(name)) throw badRequest(`The output "${name}" is asked twice.`, pointer, "Ask once.");
    seen.add(name);
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

function describe(specs: readonly TensorSpec[]): string {
  const shown = specs
    .slice(0, 5)
    .map((spec) => `"${spec.name}" (${spec.datatype} [${spec.shape.join(", ")}])`);
  return shown.join(", ") + (specs.length > 5 ? ` and ${specs.length - 5} more` : "");
}
