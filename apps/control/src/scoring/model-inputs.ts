import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import { elementsOf, halfBits, numericKinds, type Tensor, type TensorData } from "@portolan/serving/policy";

/** One of a model's inputs and the columns of a table that fill its rows, in order. */
export interface FilledInput {
  readonly spec: TensorSpec;
  readonly columns: readonly string[];
}

/**
 * Which columns fill which input: all of them, in their order, the only input; or each its input of the same name.
 *
 * @throws Error with what does not fit
 */
export function fillInputs({ inputs }: ModelSignature, columns: readonly string[]): FilledInput[] {
  const [only] = inputs;
  if (only && inputs.length === 1 && widthOf(only, columns.length) === columns.length)
    return [{ spec: only, columns }];
  return inputs.map((spec) => {
    const named = columns.find((column) => column === spec.name);
    if (named === undefined || widthOf(spec, 1) !== 1)
      throw new Error(
        `${columns.length} columns do not fill the model's input "${spec.name}" of shape [${spec.shape.join(", ")}]`,
      );
    return { spec, columns: [named] };
  });
}

/** Elements of one row; dimensions that the model leaves open take what is there. */
function widthOf({ shape }: TensorSpec, open: number): number {
  return elementsOf(shape.slice(1).map((dim) => (dim === -1 ? open : dim)));
}

/** The expression that reads a column as the input's elements want it. */
export function readAs({ datatype }: TensorSpec, quotedName: string): string {
  if (datatype === "BYTES") return `cast(${quotedName} as varchar)`;
  if (datatype === "INT64" || datatype === "UINT64") return `cast(${quotedName} as hugeint)`;
  return `cast(${quotedName} as double)`;
}

/** Values of the columns by name, a row's at the same place in each. */
export type Columns = ReadonlyMap<string, readonly unknown[]>;

/** Rows [from, from + rows) as the model's inputs. A null is NaN, as in training; where there is no NaN, zero or empty text. */
export function tensorsOf(
  inputs: readonly FilledInput[],
  table: Columns,
  from: number,
  rows: number,
): Tensor[] {
  return inputs.map(({ spec, columns }) => {
    const width = columns.length;
    const shape = [rows, ...spec.shape.slice(1).map((dim) => (dim === -1 ? width : dim))];
    const data = emptyData(spec, rows * width);
    columns.forEach((column, at) => {
      const values = table.get(column) ?? [];
      for (let row = 0; row < rows; row++) write(spec.datatype, data, row * width + at, values[from + row]);
    });
    return { name: spec.name, datatype: spec.datatype, shape, data: data as TensorData };
  });
}

type Writable = Exclude<TensorData, readonly string[]> | string[];

function emptyData({ datatype }: TensorSpec, length: number): Writable {
  return datatype === "BYTES" ? Array.from({ length }, () => "") : numericKinds[datatype].make(length);
}

function write(datatype: TensorSpec["datatype"], data: Writable, at: number, value: unknown): void {
  if (Array.isArray(data)) data[at] = typeof value === "string" ? value : "";
  else if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    data[at] = typeof value === "bigint" ? value : 0n;
  else if (data instanceof Float32Array || data instanceof Float64Array)
    data[at] = typeof value === "number" ? value : Number.NaN;
  else if (datatype === "FP16") data[at] = halfBits(typeof value === "number" ? value : Number.NaN);
  else data[at] = typeof value === "number" ? value : 0;
}
