import type { Table } from "./table.ts";

/** A number as its digits: one of JavaScript would round what has more than it holds. */
interface RawNumber {
  readonly rawJSON: string;
}
/** Of the standard's newest edition, which the compiler's library does not have yet. */
const exact = JSON as unknown as {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
  parse(
    text: string,
    reviver: (key: string, value: unknown, of: { readonly source?: string }) => unknown,
  ): unknown;
};

const notTable = "it is no JSON array with an object for each row";

/**
 * A JSON array with an object for each row as a table: the columns are all names that any row has, in the order in which they come. Numbers keep their digits,
 * objects and lists are their JSON, what is missing or null has no value. A text says why it is no table, or a larger one than is read. Pure.
 */
export function readTableJson(
  text: string,
  most: { readonly rows: number; readonly columns: number },
): Table | string {
  let value: unknown;
  try {
    value = exact.parse(text, (_, one, { source = "0" }) =>
      typeof one === "number" ? exact.rawJSON(source) : one,
    );
  } catch (error) {
    // Of a range: lists in lists, deeper than the stack is.
    if (error instanceof SyntaxError || error instanceof RangeError) return notTable;
    throw error;
  }
  if (!Array.isArray(value) || !value.every(isRow)) return notTable;
  if (value.length > most.rows) return `it has more than ${most.rows} rows`;
  const names = new Set<string>();
  for (const row of value) {
    for (const name of Object.keys(row)) names.add(name);
    // Before all cells are made: each row might bring columns of its own.
    if (names.size > most.columns) return `it has more than ${most.columns} columns`;
  }
  const columns = [...names];
  return { columns, rows: value.map((row) => columns.map((column) => cellOf(row[column]))) };
}

function isRow(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !exact.isRawJSON(value);
}

function cellOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  return exact.isRawJSON(value) ? value.rawJSON : JSON.stringify(value);
}
