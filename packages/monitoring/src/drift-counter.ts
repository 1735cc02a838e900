import { cellCount, nullCell, numericCell, padBounds, paddedBounds } from "./cells.ts";
import { numbersOf } from "./half-values.ts";
import type { LevelsColumn, ProfiledColumn, ReferenceProfile } from "./profile-schema.ts";

/** Row-major elements of one tensor, as gateways hold them: of half-precision numbers their bits. */
export interface CountedTensor {
  readonly name: string;
  /** Tells half-precision numbers (`FP16`, `BF16`) from whole ones; not needed of any other. */
  readonly datatype?: string;
  readonly data: ArrayLike<number | bigint | string>;
}

/** Whether a row's value in a column (its place in the profile's inputs) is a stand-in for one that was absent. */
export type IsAbsent = (row: number, input: number) => boolean;

/** The numeric columns of one tensor, side by side in arrays: objects in the loop would cost more than the search. */
interface NumericColumns {
  readonly column: Int32Array;
  /** Its place in the profile's inputs or outputs. */
  readonly index: Int32Array;
  /** Of its first cell among all counts. */
  readonly offset: Int32Array;
  readonly size: Int32Array;
  readonly maximum: Float64Array;
  readonly bounds: Float64Array;
}

interface LevelColumn {
  readonly column: number;
  readonly index: number;
  readonly cells: ReadonlyMap<string, number>;
  readonly othersAt: number;
  readonly nullAt: number;
}

interface CompiledTensor {
  readonly name: string;
  /** Where it was among the tensors of the last request. */
  at: number;
  readonly numeric: NumericColumns;
  readonly levels: readonly LevelColumn[];
}

/**
 * Counts rows into the cells of a reference profile, all columns in one array: inputs first, then outputs, each in the profile's
 * order. Built once per profile; counting allocates nothing that grows with the rows, but for BF16.
 */
export class DriftCounter {
  /** Cells of all columns. */
  readonly cells: number;
  readonly #inputs: readonly CompiledTensor[];
  readonly #outputs: readonly CompiledTensor[];

  constructor({ inputs, outputs }: Pick<ReferenceProfile, "inputs" | "outputs">) {
    const inputCells = inputs.reduce((sum, column) => sum + cellCount(column), 0);
    this.#inputs = compile(inputs, 0);
    this.#outputs = compile(outputs, inputCells);
    this.cells = outputs.reduce((sum, column) => sum + cellCount(column), inputCells);
  }

  /** Adds `rows` rows to `counts`. Columns that a tensor does not have are left alone. */
  count(
    counts: Uint32Array,
    rows: number,
    inputs: readonly CountedTensor[],
    outputs: readonly CountedTensor[],
    isAbsent?: IsAbsent,
  ): void {
    for (const tensor of this.#inputs) countTensor(counts, rows, tensor, inputs, isAbsent);
    for (const tensor of this.#outputs) countTensor(counts, rows, tensor, outputs, undefined);
  }
}

interface Placed {
  readonly column: ProfiledColumn;
  readonly index: number;
  readonly offset: number;
}

function compile(columns: readonly ProfiledColumn[], first: number): CompiledTensor[] {
  let offset = first;
  const placed = columns.map((column, index): Placed => {
    const at = offset;
    offset += cellCount(column);
    return { column, index, offset: at };
  });
  return [...Map.groupBy(placed, ({ column }) => column.tensor)].map(([name, of]) => ({
    name,
    at: 0,
    numeric: numericColumns(of),
    levels: of.flatMap(({ column, index, offset: at }) =>
      column.kind === "numeric" ? [] : [levelColumn(column, index, at)],
    ),
  }));
}

function numericColumns(placed: readonly Placed[]): NumericColumns {
  const numeric = placed.flatMap(({ column, ...at }) =>
    column.kind === "numeric" ? [{ ...column, ...at }] : [],
  );
  return {
    column: Int32Array.from(numeric, ({ column }) => column),
    index: Int32Array.from(numeric, ({ index }) => index),
    offset: Int32Array.from(numeric, ({ offset }) => offset),
    size: Int32Array.from(numeric, ({ lowerBounds }) => lowerBounds.length),
    maximum: Float64Array.from(numeric, ({ maximum }) => maximum ?? Number.NEGATIVE_INFINITY),
    bounds: Float64Array.from(numeric.flatMap(({ lowerBounds }) => [...padBounds(lowerBounds)])),
  };
}

function levelColumn(column: LevelsColumn, index: number, offset: number): LevelColumn {
  return {
    column: column.column,
    index,
    cells: new Map(column.levels.map((level, cell) => [level, offset + cell])),
    othersAt: offset + column.levels.length,
    nullAt: offset + nullCell(column),
  };
}

function countTensor(
  counts: Uint32Array,
  rows: number,
  compiled: CompiledTensor,
  tensors: readonly CountedTensor[],
  isAbsent: IsAbsent | undefined,
): void {
  const data = dataOf(compiled, tensors);
  if (data === undefined) return;
  const { numeric, levels } = compiled;
  // One kind of array in the loop that counts nearly everything.
  if (data instanceof Float32Array) countFloats(counts, rows, numeric, data, isAbsent);
  else if (numeric.column.length > 0) countNumbers(counts, rows, numeric, data, isAbsent);
  for (const level of levels) countLevels(counts, rows, level, data, isAbsent);
}

/** Requests name their tensors in the same order, nearly always. */
function dataOf(
  compiled: CompiledTensor,
  tensors: readonly CountedTensor[],
): CountedTensor["data"] | undefined {
  const expected = tensors[compiled.at];
  if (expected?.name === compiled.name) return numbersOf(expected);
  compiled.at = tensors.findIndex(({ name }) => name === compiled.name);
  const found = tensors[compiled.at];
  return found && numbersOf(found);
}

function countFloats(
  counts: Uint32Array,
  rows: number,
  { column, index, offset, size, maximum, bounds }: NumericColumns,
  data: Float32Array,
  isAbsent: IsAbsent | undefined,
): void {
  const width = data.length / rows;
  for (let i = 0; i < column.length; i++) {
    const at = column[i] as number;
    if (at >= width) continue;
    const first = offset[i] as number;
    const many = size[i] as number;
    const most = maximum[i] as number;
    for (let row = 0; row < rows; row++) {
      const value = data[row * width + at] as number;
      const isNull = isAbsent !== undefined && isAbsent(row, index[i] as number);
      const cell = first + (isNull ? many + 2 : numericCell(bounds, i * paddedBounds, many, most, value));
      counts[cell] = (counts[cell] as number) + 1;
    }
  }
}

/** The same for every other kind of numbers. */
function countNumbers(
  counts: Uint32Array,
  rows: number,
  { column, index, offset, size, maximum, bounds }: NumericColumns,
  data: CountedTensor["data"],
  isAbsent: IsAbsent | undefined,
): void {
  const width = data.length / rows;
  for (let i = 0; i < column.length; i++) {
    const at = column[i] as number;
    if (at >= width) continue;
    const many = size[i] as number;
    for (let row = 0; row < rows; row++) {
      const isNull = isAbsent !== undefined && isAbsent(row, index[i] as number);
      const value = Number(data[row * width + at]);
      const within = isNull
        ? many + 2
        : numericCell(bounds, i * paddedBounds, many, maximum[i] as number, value);
      const cell = (offset[i] as number) + within;
      counts[cell] = (counts[cell] as number) + 1;
    }
  }
}

function countLevels(
  counts: Uint32Array,
  rows: number,
  { column, index, cells, othersAt, nullAt }: LevelColumn,
  data: CountedTensor["data"],
  isAbsent: IsAbsent | undefined,
): void {
  const width = data.length / rows;
  if (column >= width) return;
  for (let row = 0; row < rows; row++) {
    const isNull = isAbsent !== undefined && isAbsent(row, index);
    const cell = isNull ? nullAt : (cells.get(data[row * width + column] as string) ?? othersAt);
    counts[cell] = (counts[cell] as number) + 1;
  }
}

/** What was counted, by column, in the profile's order. */
export function splitCounts<T>(
  columns: readonly ProfiledColumn[],
  counts: readonly T[],
): { readonly column: ProfiledColumn; readonly counts: readonly T[] }[] {
  let offset = 0;
  return columns.map((column) => {
    const from = offset;
    offset += cellCount(column);
    return { column, counts: counts.slice(from, offset) };
  });
}
