import { focusColumns, focusType } from "./focus-columns.ts";
import type { Table } from "./table.ts";

/**
 * A table of FOCUS as a JSON array with an object for each row, its columns in their order: decimals as numbers with all of their digits, key-value
 * columns as objects, what has no value as null. Pure.
 */
export function focusJson({ rows }: Table): string {
  return `[\n${rows.map((row) => `  {${focusColumns.map((column, at) => `${JSON.stringify(column)}: ${valueOf(column, row[at] ?? null)}`).join(", ")}}`).join(",\n")}\n]\n`;
}

function valueOf(column: (typeof focusColumns)[number], cell: string | null): string {
  if (cell === null) return "null";
  const type = focusType(column);
  // Written as its digits: a number of JavaScript would round what has more than it holds.
  return type === "decimal" || type === "object" ? cell : JSON.stringify(cell);
}
