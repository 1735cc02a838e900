import type { ModelSignature } from "@portolan/onnx-format";
import { numericKinds, type Tensor, type TensorData } from "../protocol/tensor.ts";

/**
 * Whether rows of several requests may share one run: every input and output has a variable first dimension, the same
 * one where the model names them. That the rows do not influence each other is proved by the warm-up. Pure.
 */
export function hasRowDimension({ inputs, outputs }: ModelSignature): boolean {
  const specs = [...inputs, ...outputs];
  const names = new Set(inputs.map(({ symbols }) => symbols?.[0]).filter((name) => name));
  return inputs.length > 0 && specs.every(({ shape }) => shape[0] === -1) && names.size <= 1;
}

/** What has to agree before two requests can share a run: every dimension but the first. */
export function rowShapeOf(inputs: readonly Tensor[]): string {
  let key = "";
  for (const { shape } of inputs) {
    for (let i = 1; i < shape.length; i++) key += `${shape[i]},`;
    key += ";";
  }
  return key;
}

/** The inputs of several requests one below the other, in their order. All have the same row shape. */
export function joinRows(requests: readonly (readonly Tensor[])[], rows: number): Tensor[] {
  const first = requests[0] ?? [];
  return first.map(({ name, datatype, shape }, at) => {
    const parts = requests.map((inputs) => inputs[at]?.data ?? []);
    return { name, datatype, shape: [rows, ...shape.slice(1)], data: joinData(datatype, parts) };
  });
}

function joinData(datatype: Tensor["datatype"], parts: readonly TensorData[]): TensorData {
  if (datatype === "BYTES") return (parts as readonly (readonly string[])[]).flat();
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const joined = numericKinds[datatype].make(length);
  let at = 0;
  for (const part of parts) {
    // Every part has the datatype's own array type: the readers made them.
    (joined as Float32Array).set(part as Float32Array, at);
    at += part.length;
  }
  return joined;
}

/**
 * The outputs of a joint run, cut into what belongs to each request; numbers are views, nothing is copied.
 * @returns `undefined` when an output does not have one row per row that went in: such a model cannot be batched
 */
export function splitRows(
  outputs: readonly Tensor[],
  rowsOfRequests: readonly number[],
): Tensor[][] | undefined {
  const total = rowsOfRequests.reduce((sum, rows) => sum + rows, 0);
  if (outputs.some(({ shape }) => shape[0] !== total)) return undefined;
  let row = 0;
  return rowsOfRequests.map((rows) => {
    const from = row;
    row += rows;
    return outputs.map((output) => cutRows(output, from, rows, total));
  });
}

function cutRows({ name, datatype, shape, data }: Tensor, from: number, rows: number, total: number): Tensor {
  const width = data.length / total;
  const [start, end] = [from * width, (from + rows) * width];
  const part = Array.isArray(data) ? data.slice(start, end) : (data as Float32Array).subarray(start, end);
  return { name, datatype, shape: [rows, ...shape.slice(1)], data: part };
}
