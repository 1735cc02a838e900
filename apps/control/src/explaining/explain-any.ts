import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { kernelShap, seededRandom } from "@portolan/explanations";
import type { Session } from "@portolan/onnx/session";
import type { ModelSignature } from "@portolan/onnx-format";
import { type ColumnsAsked, contributionsOf, type RowExplanation } from "./explained-columns.ts";
import { askRows, type Numbers, scoreOutput } from "./model-table.ts";

/** Rows that stand in for what is absent. */
const standInRows = 50;
/** A value that fewer rows have may be somebody's (as levels of a reference profile). */
const leastRows = 5;
/** Draws the same for everybody: an explanation is the same every time. */
const seed = 1;

/**
 * Values that stand in for absent ones: of each column, from the smallest to the largest, the middle of every fiftieth part of its numbers, in an order of its own. A value that fewer than
 * five rows have gives way to the mean of its part, which has at least five. Gaps are left out.
 *
 * @returns undefined where a column has too few numbers
 */
export function makeStandIns(table: Numbers, columns: number): number[][] | undefined {
  const drawn = Array.from({ length: columns }, (_, column) => standInsOf(table, columns, column));
  if (drawn.some((values) => values === undefined)) return undefined;
  return Array.from({ length: standInRows }, (_, row) => drawn.map((values) => values?.[row] ?? 0));
}

function standInsOf(table: Numbers, columns: number, column: number): number[] | undefined {
  const numbers = Float64Array.from(
    { length: table.length / columns },
    (_, row) => table[row * columns + column] ?? Number.NaN,
  ).filter(Number.isFinite);
  const parts = Math.min(standInRows, Math.floor(numbers.length / leastRows));
  if (parts === 0) return undefined;
  const sorted = numbers.sort();
  const times = new Map<number, number>();
  for (const value of sorted) times.set(value, (times.get(value) ?? 0) + 1);
  const values = Array.from({ length: parts }, (_, part) => {
    const own = sorted.subarray(
      Math.floor((part * sorted.length) / parts),
      Math.floor(((part + 1) * sorted.length) / parts),
    );
    const middle = own[Math.floor(own.length / 2)] ?? 0;
    return (times.get(middle) ?? 0) >= leastRows
      ? middle
      : own.reduce((sum, value) => sum + value, 0) / own.length;
  });
  const next = seededRandom(seed + column);
  for (let at = values.length - 1; at > 0; at--) {
    const other = Math.floor(next() * (at + 1));
    [values[at], values[other]] = [values[other] ?? 0, values[at] ?? 0];
  }
  return Array.from({ length: standInRows }, (_, row) => values[row % parts] ?? 0);
}

/** Whether the model makes numbers of what stands in. */
export async function answersStandIns(
  session: Session,
  { inputs, outputs }: ModelSignature,
  standIns: readonly (readonly number[])[],
): Promise<boolean> {
  const [input] = inputs;
  const output = scoreOutput(outputs);
  if (!input || !output) return false;
  const said = await askRows(session, input, output, standIns.flat(), standIns[0]?.length ?? 1);
  return said.every(Number.isFinite);
}

/** Shapley values by asking the model itself, with the background's values in place of absent ones. */
export async function explainByAsking(
  session: Session,
  signature: ModelSignature,
  { columns, standIns = [] }: ExplanationBackground,
  row: Numbers,
  { top }: ColumnsAsked,
): Promise<RowExplanation> {
  const [input] = signature.inputs;
  const output = scoreOutput(signature.outputs);
  if (!input || !output) throw new Error("the model has no table of numbers, or no score");
  const width = columns.length;
  const scoreRows = (rows: ArrayLike<number>) => askRows(session, input, output, rows, width);
  const scores = await scoreRows(row);
  const targets = scores.length;
  const terms = { columns: width, targets, background: Float64Array.from(standIns.flat()), seed };
  const { values, expected } = await kernelShap(row, terms, scoreRows);
  const target = targets === 2 ? 1 : scores.indexOf(Math.max(...scores));
  const score = scores[target] ?? Number.NaN;
  if (![score, ...values].every(Number.isFinite)) throw new Error("the model makes no number of this row");
  return {
    method: "kernel_shap",
    target: targets === 1 ? output.name : `${output.name}.${target}`,
    unit: "score",
    score,
    expected: expected[target] ?? 0,
    ...contributionsOf(columns, row, (column) => values[column * targets + target] ?? 0, "score", top),
    counterfactualSearch: "not_done",
  };
}
