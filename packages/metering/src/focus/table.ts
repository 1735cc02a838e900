/** A table of text cells; `null` where a cell has no value. */
export interface Table {
  readonly columns: readonly string[];
  /** As the file types its columns, in DuckDB's names; absent where all is text, as in CSV. */
  readonly types?: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** CSV of RFC 4180: what has a comma, a quote or a line break is quoted; `null` is nothing, an empty text `""`. */
export function csvText({ columns, rows }: Pick<Table, "columns" | "rows">): string {
  return `${[columns, ...rows].map((row) => row.map(cellText).join(",")).join("\r\n")}\r\n`;
}

function cellText(cell: string | null): string {
  if (cell === null) return "";
  return cell === "" || /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
