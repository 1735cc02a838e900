import type { Session } from "@portolan/onnx/session";
import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import type { Tensor } from "@portolan/serving/policy";

/** By how much a runtime that adds in single precision may differ from ours, in parts of the larger. */
const rounding = 1e-4;

/** A table in the precision of the model's input, row by row. */
export type Numbers = Float32Array | Float64Array;

/** Whether a model takes one table of floating-point numbers, and gives such numbers back. */
export function takesTable({ inputs, outputs }: ModelSignature): boolean {
  const [only] = inputs;
  return inputs.length === 1 && only !== undefined && isTable(only) && scoreOutput(outputs) !== undefined;
}

function isTable({ shape, datatype }: TensorSpec): boolean {
  const [rows, columns = 0] = shape;
  return shape.length === 2 && rows === -1 && columns > 0 && isFloat(datatype);
}

function isFloat(datatype: string): boolean {
  return datatype === "FP32" || datatype === "FP64";
}

/** The first output of floating-point numbers: scores by class, or a value. */
export function scoreOutput(outputs: readonly TensorSpec[]): TensorSpec | undefined {
  return outputs.find(({ shape, datatype }) => isFloat(datatype) && shape.length <= 2 && shape[0] === -1);
}

/** What the model says of rows in one of its outputs, row by row. */
export async function askRows(
  session: Session,
  { name, datatype }: TensorSpec,
  output: TensorSpec,
  rows: ArrayLike<number>,
  columns: number,
): Promise<Float64Array> {
  const data = datatype === "FP32" ? Float32Array.from(rows) : Float64Array.from(rows);
  const said = await session.run([{ name, datatype, shape: [rows.length / columns, columns], data }]);
  return Float64Array.from(said.find((tensor) => tensor.name === output.name)?.data as Float32Array);
}

/** What a model says of each row in its first output of labels; undefined where it says none. */
export function labelsOf(outputs: readonly Tensor[], rows: number): readonly string[] | undefined {
  const labels = outputs.find(({ datatype }) => datatype === "INT64" || datatype === "BYTES");
  return labels?.data.length === rows ? Array.from(labels.data, String) : undefined;
}

/**
 * Whether the model says of these rows what was read out of it says: a model may do more before its answer, or have parts beside.
 *
 * @param answersOf what its parts may say of a row, in one and the same order for all rows; one of them has to be right for every row
 */
export async function sayTheSame(
  answersOf: (row: Numbers) => readonly Float64Array[],
  session: Session,
  signature: ModelSignature,
  rows: Numbers,
): Promise<boolean> {
  const output = scoreOutput(signature.outputs);
  const input = signature.inputs[0];
  if (!output || !input) return false;
  const columns = input.shape[1] ?? 0;
  const said = await askRows(session, input, output, rows, columns);
  const count = rows.length / columns;
  const width = said.length / count;
  let right: readonly number[] | undefined;
  for (let row = 0; row < count; row++) {
    const answers = answersOf(rows.subarray(row * columns, (row + 1) * columns));
    const open: readonly number[] = right ?? [...answers.keys()];
    right = open.filter((at) => isNear(answers[at], said.subarray(row * width, (row + 1) * width)));
    if (right.length === 0) return false;
  }
  return right !== undefined;
}

function isNear(own: Float64Array | undefined, said: Float64Array): boolean {
  return (
    own?.length === said.length &&
    own.every((value, at) => {
      const other = said[at] ?? Number.NaN;
      // A gap makes no number in the one as in the other.
      if (Number.isNaN(value) && Number.isNaN(other)) return true;
      return Math.abs(value - other) <= rounding * Math.max(1e-3, Math.abs(value), Math.abs(other));
    })
  );
}

/** What the model says of both rows, asked in one run; undefined where it says no labels. */
export async function labelsOfBoth(
  session: Session,
  { inputs }: ModelSignature,
  before: Numbers,
  after: Numbers,
): Promise<readonly string[] | undefined> {
  const [input] = inputs;
  if (!input) return undefined;
  const { name, datatype } = input;
  const both = [...before, ...after];
  const data = datatype === "FP32" ? Float32Array.from(both) : Float64Array.from(both);
  return labelsOf(await session.run([{ name, datatype, shape: [2, before.length], data }]), 2);
}

/** @throws Error where it holds none */
export function numbersOf(tensor: Tensor | undefined): Numbers {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new Error("the model's input holds no floating-point numbers");
}
