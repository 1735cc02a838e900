import type { FilledColumn, FilledTensor, InputPlan } from "@portolan/scoring/policy";
import { numericKinds, type Tensor, type TensorData } from "@portolan/serving/policy";
import type { Columns } from "../scoring/model-inputs.ts";

/** A row's element as the model gets it, or why the row is refused. */
type Cell =
  | { readonly kind: "value"; readonly value: number | bigint | string }
  | { readonly kind: "refused"; readonly why: string };

/** Rows that may be scored, by their place in the chunk, and why the others may not. */
export interface SortedRows {
  readonly accepted: readonly number[];
  /** By place in the chunk. */
  readonly refused: ReadonlyMap<number, string>;
}

/** The endpoint's own rules for gaps, NaN and infinities, row by row. Pure. */
export function sortRows({ inputs, nonFinite }: InputPlan, table: Columns, rows: number): SortedRows {
  const accepted: number[] = [];
  const refused = new Map<number, string>();
  for (let row = 0; row < rows; row++) {
    let why: string | undefined;
    for (const { spec, columns } of inputs)
      for (const column of columns) {
        const cell = cellOf(spec.datatype, column, table.get(column.column)?.[row], nonFinite);
        if (cell.kind === "refused") why ??= cell.why;
      }
    if (why === undefined) accepted.push(row);
    else refused.set(row, why);
  }
  return { accepted, refused };
}

/** Tensors of these rows, in this order. Only for rows that were accepted. */
export function tensorsOfRows(
  { inputs, nonFinite }: InputPlan,
  table: Columns,
  places: readonly number[],
): Tensor[] {
  return inputs.map((input) => {
    const { spec, columns } = input;
    const width = columns.length;
    const tensor = emptyTensor(input, places.length);
    const data = tensor.data as Exclude<TensorData, readonly string[]>;
    columns.forEach((column, index) => {
      const values = table.get(column.column) ?? [];
      places.forEach((row, at) => {
        const cell = cellOf(spec.datatype, column, values[row], nonFinite);
        if (cell.kind === "value") data[at * width + index] = cell.value as never;
      });
    });
    return tensor;
  });
}

/** One row of zeros and empty texts. */
export function zeroRow({ inputs }: InputPlan): Tensor[] {
  return inputs.map((input) => emptyTensor(input, 1));
}

function emptyTensor({ spec, columns }: FilledTensor, rows: number): Tensor {
  const { name, datatype } = spec;
  const width = columns.length;
  const shape = [rows, ...spec.shape.slice(1).map((dim) => (dim === -1 ? width : dim))];
  const data =
    datatype === "BYTES"
      ? Array.from({ length: rows * width }, () => "")
      : numericKinds[datatype].make(rows * width);
  return { name, datatype, shape, data };
}

function cellOf(
  datatype: Tensor["datatype"],
  { column, standIn }: FilledColumn,
  value: unknown,
  nonFinite: InputPlan["nonFinite"],
): Cell {
  const isFloat = datatype === "FP32" || datatype === "FP64";
  const isGap = typeof value === "number" && isFloat && !Number.isFinite(value);
  if (isGap && (nonFinite === "refuse" || nonFinite === "fallback"))
    return { kind: "refused", why: `non_finite: ${column}` };
  if (isGap && nonFinite === "allow") return { kind: "value", value };
  if (value !== null && value !== undefined && !isGap) return converted(datatype, column, value);
  // Absent, or a gap that counts as absent.
  if (standIn === "NaN" && isFloat) return { kind: "value", value: Number.NaN };
  if (standIn !== null) return converted(datatype, column, standIn);
  if (isFloat && nonFinite === "missing") return { kind: "value", value: Number.NaN };
  return { kind: "refused", why: `missing: ${column}` };
}

function converted(datatype: Tensor["datatype"], column: string, value: unknown): Cell {
  if (datatype === "BYTES") return { kind: "value", value: String(value) };
  if (datatype === "INT64" || datatype === "UINT64")
    return typeof value === "bigint" || Number.isInteger(value)
      ? { kind: "value", value: BigInt(value as bigint | number) }
      : { kind: "refused", why: `not_whole: ${column}` };
  const number = Number(value);
  if (typeof value === "boolean" || typeof value === "number") return { kind: "value", value: number };
  return { kind: "refused", why: `not_a_number: ${column}` };
}
