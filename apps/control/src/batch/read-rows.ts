import type { TensorSpec } from "@portolan/onnx-format";
import type { FilledColumn, FilledTensor, InputPlan } from "@portolan/scoring/policy";
import {
  elementOf,
  halfBits,
  numericKinds,
  standInFor,
  type Tensor,
  type TensorData,
} from "@portolan/serving/policy";
import type { Columns } from "../scoring/model-inputs.ts";

const floats: ReadonlySet<Tensor["datatype"]> = new Set(["FP16", "FP32", "FP64"]);

/** The expression that reads a column for an input of this datatype without rounding it. */
export function readExactly({ datatype }: TensorSpec, quotedName: string): string {
  if (datatype === "BYTES") return `cast(${quotedName} as varchar)`;
  return floats.has(datatype) ? `cast(${quotedName} as double)` : quotedName;
}

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

/**
 * One element of a row, by the rules of the endpoint: of its request's reader, of its feature plan, of its charter on NaN. Pure.
 *
 * @param value null or undefined: absent; otherwise as `readExactly` gives it
 */
export function cellOf(
  datatype: Tensor["datatype"],
  { column, standIn, isFeature }: FilledColumn,
  value: unknown,
  nonFinite: InputPlan["nonFinite"],
): Cell {
  const isFloat = floats.has(datatype);
  const isAbsent = value === null || value === undefined;
  const isGap = typeof value === "number" && !Number.isFinite(value);
  if (isGap && (nonFinite === "refuse" || nonFinite === "fallback"))
    return { kind: "refused", why: `non_finite: ${column}` };
  const given = standInFor({ missing: standIn }, value);
  if (given !== undefined) {
    const element = elementOf(datatype, given);
    if (element !== undefined) return { kind: "value", value: element };
    return { kind: "refused", why: `not_a_number: ${column}` };
  }
  const isNaNGiven = isFloat && nonFinite === "missing";
  if (isAbsent && (isFeature === true || !isNaNGiven)) return { kind: "refused", why: `missing: ${column}` };
  const read = readElement(datatype, isAbsent || (isGap && isNaNGiven) ? Number.NaN : value);
  return typeof read === "object"
    ? { kind: "refused", why: `${read.why}: ${column}` }
    : { kind: "value", value: read };
}

/** As a request's reader takes a value of JSON; NaN and infinities as its binary form takes them. */
function readElement(
  datatype: Tensor["datatype"],
  value: unknown,
): number | bigint | string | { readonly why: string } {
  if (datatype === "BYTES") return String(value);
  if (datatype === "BOOL") return typeof value === "boolean" ? Number(value) : { why: "not_a_boolean" };
  if (typeof value !== "number" && typeof value !== "bigint") return { why: "not_a_number" };
  const { whole } = numericKinds[datatype];
  if (whole) {
    if (typeof value === "number" && !Number.isInteger(value)) return { why: "not_whole" };
    if (typeof value === "number" && !Number.isSafeInteger(value)) return { why: "out_of_range" };
    if (value < whole.low || value > whole.high) return { why: "out_of_range" };
    return datatype === "INT64" || datatype === "UINT64" ? BigInt(value) : Number(value);
  }
  const float = Number(value);
  const rounded = roundTo(datatype, float);
  if (Number.isFinite(float) && !Number.isFinite(rounded)) return { why: "out_of_range" };
  return datatype === "FP16" ? halfBits(float) : float;
}

/** The nearest number of the datatype; infinite beyond its range. */
function roundTo(datatype: Tensor["datatype"], value: number): number {
  if (datatype === "FP16") return Math.f16round(value);
  return datatype === "FP32" ? Math.fround(value) : value;
}
