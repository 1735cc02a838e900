import { cellCount, nullCell, numericCell } from "./cells.ts";
import type { ProfiledColumn, ReferenceProfile } from "./profile-schema.ts";

/** Row-major elements of one tensor, as gateways hold them. */
export interface CountedTensor {
  readonly name: string;
  readonly data: ArrayLike<number | bigint | string>;
}

/** Whether the value of a row and a column of the model's inputs is a stand-in for one that was absent. */
export type IsAbsent = (row: number, tensor: string, column: number) => boolean;

interface CompiledColumn {
  readonly column: number;
  /** Of its first cell among all counts. */
  readonly offset: number;
  readonly nullAt: number;
  readonly bounds: Float64Array | undefined;
  readonly maximum: number;
  readonly levels: ReadonlyMap<string, number> | undefined;
  readonly othersAt: number;
}

interface CompiledTensor {
  readonly name: string;
  readonly columns: readonly CompiledColumn[];
}

/**
 * Counts rows into the cells of a reference profile, all columns in one array: inputs first, then outputs, each in the profile's
 * order. Built once per profile; counting allocates nothing.
 */
export class DriftCounter {
  /** Cells of all columns. */
  readonly cells: number;
  readonly #inputs: readonly CompiledTensor[];
  readonly #outputs: readonly CompiledTensor[];

  constructor(profile: Pick<ReferenceProfile, "inputs" | "outputs">) {
    let offset = 0;
    const compile = (columns: readonly ProfiledColumn[]): CompiledTensor[] => {
      const byTensor = new Map<string, CompiledColumn[]>();
      for (const column of columns) {
        const of = byTensor.get(column.tensor) ?? [];
        of.push(compileColumn(column, offset));
        byTensor.set(column.tensor, of);
        offset += cellCount(column);
      }
      return [...byTensor].map(([name, compiled]) => ({ name, columns: compiled }));
    };
    this.#inputs = compile(profile.inputs);
    this.#outputs = compile(profile.outputs);
    this.cells = offset;
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

function compileColumn(column: ProfiledColumn, offset: number): CompiledColumn {
  const { column: at } = column;
  const common = { column: at, offset, nullAt: offset + nullCell(column) };
  return column.kind === "numeric"
    ? {
        ...common,
        bounds: Float64Array.from(column.lowerBounds),
        maximum: column.maximum ?? Number.NEGATIVE_INFINITY,
        levels: undefined,
        othersAt: 0,
      }
    : {
        ...common,
        bounds: undefined,
        maximum: 0,
        levels: new Map(column.levels.map((level, cell) => [level, offset + cell])),
        othersAt: offset + column.levels.length,
      };
}

function countTensor(
  counts: Uint32Array,
  rows: number,
  { name, columns }: CompiledTensor,
  tensors: readonly CountedTensor[],
  isAbsent: IsAbsent | undefined,
): void {
  let data: CountedTensor["data"] | undefined;
  for (const tensor of tensors) if (tensor.name === name) ({ data } = tensor);
  if (data === undefined) return;
  const width = data.length / rows;
  for (const compiled of columns) {
    const { column, bounds, maximum, offset, nullAt } = compiled;
    if (column >= width) continue;
    for (let row = 0; row < rows; row++) {
      const value = data[row * width + column];
      let cell: number;
      if (isAbsent?.(row, name, column)) cell = nullAt;
      else if (bounds) cell = offset + numericCell(bounds, bounds.length, maximum, Number(value));
      else cell = compiled.levels?.get(value as string) ?? compiled.othersAt;
      counts[cell] = (counts[cell] as number) + 1;
    }
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
