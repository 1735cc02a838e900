import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { kernelShap, seededRandom } from "@portolan/explanations";
import type { Session } from "@portolan/onnx/session";
import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import type { Tensor } from "@portolan/serving/policy";
import { type ColumnsAsked, contributionsOf, type RowExplanation } from "./explained-columns.ts";

/** Rows that stand in for what is absent. */
const standInRows = 50;
/** Columns beyond which a model is not asked some hundred thousand times. */
const mostColumns = 200;
/** Draws the same for everybody: an explanation is the same every time. */
const seed = 1;

/** Whether a model's answers can be explained by asking it: one table of floating-point numbers in, and such numbers out. */
export function canBeAsked({ inputs, outputs }: ModelSignature): boolean {
  const [only] = inputs;
  return inputs.length === 1 && only !== undefined && isTable(only) && scoreOutput(outputs) !== undefined;
}

function isTable({ shape, datatype }: TensorSpec): boolean {
  const [rows, columns = 0] = shape;
  return shape.length === 2 && rows === -1 && columns > 0 && columns <= mostColumns && isFloat(datatype);
}

function isFloat(datatype: string): boolean {
  return datatype === "FP32" || datatype === "FP64";
}

/** The first output of floating-point numbers: scores by class, or a value. */
function scoreOutput(outputs: readonly TensorSpec[]): TensorSpec | undefined {
  return outputs.find(({ shape, datatype }) => isFloat(datatype) && shape.length <= 2 && shape[0] === -1);
}

/** Values of each column, each drawn by itself: no row of them is anybody's. */
export function drawStandIns(table: Float32Array | Float64Array, columns: number): (number | null)[][] {
  const next = seededRandom(seed);
  const rows = table.length / columns;
  return Array.from({ length: standInRows }, () =>
    Array.from({ length: columns }, (_, column) => {
      const value = table[Math.floor(next() * rows) * columns + column] ?? Number.NaN;
      return Number.isNaN(value) ? null : value;
    }),
  );
}

/** Shapley values by asking the model itself, with the background's values in place of absent ones. */
export async function explainByAsking(
  session: Session,
  signature: ModelSignature,
  { columns, standIns = [] }: ExplanationBackground,
  row: Float32Array | Float64Array,
  { top }: ColumnsAsked,
): Promise<RowExplanation> {
  const [input] = signature.inputs;
  const output = scoreOutput(signature.outputs);
  if (!input || !output) throw new Error("the model has no table of numbers, or no score");
  const width = columns.length;
  const scoreRows = async (rows: Float64Array): Promise<Float64Array> => {
    const data = input.datatype === "FP32" ? Float32Array.from(rows) : rows;
    const asked: Tensor = {
      name: input.name,
      datatype: input.datatype,
      shape: [rows.length / width, width],
      data,
    };
    const said = (await session.run([asked])).find(({ name }) => name === output.name)?.data;
    return Float64Array.from(said as Float32Array);
  };
  const scores = await scoreRows(Float64Array.from(row));
  const targets = scores.length;
  const background = Float64Array.from(standIns.flat(), (value) => value ?? Number.NaN);
  const { values, expected } = await kernelShap(
    row,
    { columns: width, targets, background, seed },
    scoreRows,
  );
  const target = targets === 2 ? 1 : scores.indexOf(Math.max(...scores));
  const score = scores[target] ?? Number.NaN;
  if (![score, ...values].every(Number.isFinite))
    throw new Error("the model makes no number of what is absent");
  return {
    method: "kernel_shap",
    target: targets === 1 ? output.name : `${output.name}.${target}`,
    unit: "score",
    score,
    expected: expected[target] ?? 0,
    ...contributionsOf(columns, row, (column) => values[column * targets + target] ?? 0, "score", top),
  };
}
