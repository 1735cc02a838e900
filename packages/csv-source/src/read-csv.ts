import type { Violation } from "@portolan/kernel";

/** A table as it lies in a file. */
export interface CsvTable {
  readonly text: string;
  /** For messages. */
  readonly file: string;
  /** Those that the header must have; others may be there. */
  readonly columns: readonly string[];
}

/** One row. What is wrong with a cell is noted, and reading goes on, so that all faults come at once. */
export interface CsvRow {
  /** Trimmed; empty where there is no such column. */
  text(column: string): string;
  /** As `text`, and a fault where it is empty. */
  named(column: string): string;
  whole(column: string, least: number, most: number): number;
  fault(detail: string): void;
}

const mostRows = 1_000_000;
/** More do not help. */
const mostFaults = 20;

/** Reads rows by the names in the header; `faults` is empty where all is well. Pure. */
export function readCsv<T>(
  { text, file, columns }: CsvTable,
  read: (row: CsvRow) => T,
): { readonly rows: readonly T[]; readonly faults: readonly Violation[] } {
  const [header = "", ...lines] = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const names = header.split(",").map((name) => name.trim());
  const faults: Violation[] = columns
    .filter((column) => !names.includes(column))
    .map((column) => ({ detail: `the header has no column ${column}`, at: { file, line: 1, column: 1 } }));
  if (lines.length > mostRows) faults.push({ detail: `it has more than ${mostRows} lines`, at: { file } });
  if (faults.length > 0) return { rows: [], faults };
  const rows: T[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "" || faults.length >= mostFaults) continue;
    const values = line.split(",").map((value) => value.trim());
    const fault = (detail: string): void =>
      void faults.push({ detail, at: { file, line: index + 2, column: 1 } });
    if (values.length === names.length)
      rows.push(read(rowOf((column) => values[names.indexOf(column)] ?? "", fault)));
    else fault(`it has ${values.length} values, the header ${names.length} columns`);
  }
  if (rows.length === 0 && faults.length === 0) faults.push({ detail: "it has no rows", at: { file } });
  return { rows, faults };
}

function rowOf(text: CsvRow["text"], fault: CsvRow["fault"]): CsvRow {
  return {
    text,
    fault,
    named(column) {
      const value = text(column);
      if (value === "") fault(`${column}: it is empty`);
      return value;
    },
    whole(column, least, most) {
      const value = text(column) === "" ? Number.NaN : Number(text(column));
      if (!Number.isInteger(value) || value < least || value > most)
        fault(
          `${column}: ${JSON.stringify(text(column).slice(0, 40))} is no whole number of ${least} to ${most}`,
        );
      return value;
    },
  };
}
