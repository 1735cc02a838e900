import type { Session } from "@portolan/onnx/session";
import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import type { Tensor } from "@portolan/serving/policy";

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
