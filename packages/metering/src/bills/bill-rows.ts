import type { PortolanError, Violation } from "@portolan/kernel";
import { fileNotValid } from "../file-not-valid.ts";
import type { Table } from "../focus/table.ts";
import { parseAttos } from "./exact-decimal.ts";

/** More findings do not help. */
const mostFaults = 20;

/** Rows of a provider's bill by the names of its columns; what is wrong is noted, so that all of it comes at once. */
export interface BillRows {
  readonly file: string;
  readonly table: Table;
  has(column: string): boolean;
  readonly faults: Violation[];
}

/** One row. */
export interface BillRow {
  /** From 1 on. */
  readonly number: number;
  text(column: string): string;
  /** 0 where the cell is empty, and a fault where it is no decimal. */
  amount(column: string): bigint;
  optionalAmount(column: string): bigint | undefined;
  moment(column: string): string;
  fault(detail: string): void;
}

export function billRows(table: Table, file: string): BillRows {
  const names = new Set(table.columns);
  return { file, table, faults: [], has: (column) => names.has(column) };
}

export function eachRow({ table, file, faults }: BillRows): BillRow[] {
  const places = new Map(table.columns.map((name, at) => [name, at]));
  return table.rows.map((cells, index) => {
    const text = (column: string) => cells[places.get(column) ?? -1]?.trim() ?? "";
    const fault = (detail: string): void => {
      if (faults.length < mostFaults) faults.push({ detail, at: { file, line: index + 2, column: 1 } });
    };
    const optionalAmount = (column: string): bigint | undefined => {
      if (text(column) === "") return undefined;
      const attos = parseAttos(text(column));
      if (attos === undefined)
        fault(`${column}: ${JSON.stringify(text(column).slice(0, 40))} is no decimal of at most 18 decimals`);
      return attos ?? 0n;
    };
    return {
      number: index + 1,
      text,
      fault,
      optionalAmount,
      amount: (column) => optionalAmount(column) ?? 0n,
      moment: (column) => momentOf(text(column), column, fault),
    };
  });
}

/** As FOCUS has it, whether the file typed it as text or as a moment. */
function momentOf(text: string, column: string, fault: BillRow["fault"]): string {
  const [, day, time] =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?(?:Z|\+00(?::?00)?)?)?$/.exec(text) ?? [];
  if (day === undefined) {
    fault(`${column}: ${JSON.stringify(text.slice(0, 40))} is no moment in UTC such as 2026-11-01T00:00:00Z`);
    return "";
  }
  return `${day}T${time ?? "00:00:00"}Z`;
}

/** @throws PortolanError `metering.file_not_valid` where there are findings */
export function requireSound({ faults, file }: BillRows): void {
  const [first] = faults;
  if (!first) return;
  throw billNotValid(file, faults);
}

export function billNotValid(file: string, violations: readonly Violation[]): PortolanError {
  return fileNotValid(file, violations, "docs/statements.md says which bills are read.");
}
