import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import { badRequest } from "../bad-request.ts";
import type { InferRequest, RequestedOutput } from "../infer-request.ts";
import { elementTexts, findOutput, type InferAnswer } from "../infer-response.ts";
import { parseWireJson, type WireJson, type WireObject } from "../json.ts";
import { readJsonTensor } from "../json-tensor.ts";
import { describeTensors, SignatureCheck } from "../signature-check.ts";
import { elementsOf, rowsOf, type Tensor } from "../tensor.ts";

/**
 * Reads a body of KServe's V1 protocol (`POST /v1/models/{name}:predict`). `instances` are rows: plain values for a
 * model of one input, objects by input name otherwise. `inputs` are whole tensors by name, in columns.
 *
 * @throws PortolanError `serving.bad_request` with a JSON pointer and the mend
 */
export function readV1Predict(body: Uint8Array, signature: ModelSignature): InferRequest {
  const json = parseWireJson(body);
  if (!isObject(json) || (json["instances"] === undefined) === (json["inputs"] === undefined))
    throw badRequest(
      'The request has neither or both of "instances" and "inputs".',
      "",
      'Send {"instances": [row, …]}.',
    );
  const columns =
    json["instances"] === undefined
      ? columnsOf(json["inputs"], signature)
      : columnsOfRows(json["instances"], signature);
  const check = new SignatureCheck(signature);
  for (const { spec, data, pointer } of columns) {
    const shape = shapeOf(data, spec, pointer);
    const checked = check.check({ name: spec.name, datatype: spec.datatype, shape }, pointer);
    check.add(checked, readJsonTensor(data, spec.datatype, shape, pointer));
  }
  const outputs = signature.outputs.map(({ name }): RequestedOutput => ({ name, binary: false }));
  return { parameters: {}, inputs: check.finish(), outputs };
}

interface Column {
  readonly spec: TensorSpec;
  readonly data: WireJson;
  readonly pointer: string;
}

function columnsOfRows(rows: WireJson | undefined, signature: ModelSignature): Column[] {
  if (!Array.isArray(rows) || rows.length === 0)
    throw badRequest("instances is not a list of rows.", "/instances", "Send at least one row.");
  const [only] = signature.inputs;
  const areObjects = rows.some((row) => isObject(row));
  if (!areObjects && only && signature.inputs.length === 1)
    return [{ spec: only, data: rows, pointer: "/instances" }];
  const columns = signature.inputs.map((spec) => ({ spec, data: [] as WireJson[], pointer: "/instances" }));
  rows.forEach((row, index) => {
    const pointer = `/instances/${index}`;
    if (!isObject(row))
      throw badRequest(
        "A row is not an object.",
        pointer,
        `Send objects with ${describeTensors(signature.inputs)}.`,
      );
    const stray = Object.keys(row).find((key) => !signature.inputs.some(({ name }) => name === key));
    if (stray !== undefined)
      throw badRequest(
        `The model has no input "${stray.slice(0, 60)}".`,
        pointer,
        `Send ${describeTensors(signature.inputs)}.`,
      );
    for (const { spec, data } of columns) {
      const value = row[spec.name];
      if (value === undefined)
        throw badRequest(
          `The input "${spec.name}" is missing in this row.`,
          pointer,
          "Send it in every row.",
        );
      data.push(value);
    }
  });
  return columns;
}

function columnsOf(inputs: WireJson | undefined, signature: ModelSignature): Column[] {
  const [only] = signature.inputs;
  if (!isObject(inputs)) {
    if (!only || signature.inputs.length > 1 || inputs === undefined)
      throw badRequest(
        "inputs is not an object of tensors.",
        "/inputs",
        `Send ${describeTensors(signature.inputs)}.`,
      );
    return [{ spec: only, data: inputs, pointer: "/inputs" }];
  }
  return Object.entries(inputs).map(([name, data]) => {
    const spec = signature.inputs.find((input) => input.name === name);
    if (!spec)
      throw badRequest(
        `The model has no input "${name.slice(0, 60)}".`,
        "/inputs",
        `Send ${describeTensors(signature.inputs)}.`,
      );
    return { spec, data, pointer: `/inputs/${name}` };
  });
}

/**
 * The shape that the nesting says. A model that wants a column per row ([-1, 1]) also takes plain values, as V1
 * clients send them.
 */
function shapeOf(data: WireJson, spec: TensorSpec, pointer: string): number[] {
  const shape: number[] = [];
  for (let level: WireJson | undefined = data; Array.isArray(level); level = level[0]) {
    if (shape.length > spec.shape.length)
      throw badRequest("The data nests deeper than the model's input.", pointer, "Send one value per row.");
    shape.push(level.length);
  }
  if (shape.length === spec.shape.length - 1 && spec.shape.at(-1) === 1) shape.push(1);
  return shape;
}

/**
 * The body of an answer: `predictions` with one entry per row; an object by output name when the model has several.
 *
 * @throws PortolanError `serving.model_failed` for NaN or infinity, which JSON cannot carry
 */
export function writeV1Answer(answer: InferAnswer, requested: readonly RequestedOutput[]): Uint8Array {
  const tensors = requested.map(({ name }) => findOutput(answer, name));
  const columns = tensors.map(rowTexts);
  const [only] = columns;
  const predictions =
    columns.length === 1 && only
      ? only
      : Array.from({ length: Math.max(...columns.map((rows) => rows.length)) }, (_, row) => {
          const fields = tensors.map(
            ({ name }, index) => `${JSON.stringify(name)}:${columns[index]?.[row] ?? "null"}`,
          );
          return `{${fields.join(",")}}`;
        });
  return Buffer.from(`{"predictions":[${predictions.join(",")}]}`);
}

/** JSON of each row; a row of one value is that value. */
function rowTexts(tensor: Tensor): string[] {
  const texts = elementTexts(tensor);
  const inner = tensor.shape.slice(1);
  const perRow = elementsOf(inner);
  return Array.from({ length: rowsOf(tensor.shape) }, (_, row) =>
    perRow === 1 ? (texts[row] ?? "null") : nest(texts.slice(row * perRow, (row + 1) * perRow), inner),
  );
}

function nest(flat: readonly string[], shape: readonly number[]): string {
  const [count, ...rest] = shape;
  if (count === undefined || rest.length === 0) return `[${flat.join(",")}]`;
  const size = elementsOf(rest);
  return `[${Array.from({ length: count }, (_, i) => nest(flat.slice(i * size, (i + 1) * size), rest)).join(",")}]`;
}

function isObject(value: WireJson | undefined): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
