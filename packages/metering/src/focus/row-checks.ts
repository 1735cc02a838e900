import { attosPerUnit, parseAttos } from "../bills/exact-decimal.ts";
import {
  isDateTime,
  isDecimal,
  isFilledText,
  isKeyValue,
  isNationalCurrency,
  isNumeric,
  isUnit,
} from "./cell-formats.ts";
import { type RuleCheck, rulesNotValid } from "./rule-model.ts";
import type { Table } from "./table.ts";

/** Cells of columns by name; a column that is not there has none. */
export interface Cells {
  has(column: string): boolean;
  typeOf(column: string): string | undefined;
  at(column: string, row: number): string | null;
}

export function cellsOf(table: Table): Cells {
  const places = new Map(table.columns.map((name, at) => [name, at]));
  return {
    has: (column) => places.has(column),
    typeOf: (column) => table.types?.[places.get(column) ?? -1],
    at: (column, row) => table.rows[row]?.[places.get(column) ?? -1] ?? null,
  };
}

type RowCheck = (check: RuleCheck, cells: Cells, row: number) => boolean;

/** A check of cells that have a value: where there is none, rules on nullability speak. */
function whereFilled(holds: (text: string) => boolean): RowCheck {
  return (check, cells, row) => {
    const cell = cells.at(columnOf(check), row);
    return cell === null || holds(cell);
  };
}

/** The type that the file states, or where it states none, what the text can be read as. */
function typed(types: RegExp, holds: (text: string) => boolean): RowCheck {
  const byText = whereFilled(holds);
  return (check, cells, row) => {
    const type = cells.typeOf(columnOf(check));
    return type === undefined ? byText(check, cells, row) : types.test(type);
  };
}

/** What the file types as a moment or a number has that format, however it is printed here. */
function formatted(types: RegExp, holds: (text: string) => boolean): RowCheck {
  const byText = whereFilled(holds);
  return (check, cells, row) => types.test(cells.typeOf(columnOf(check)) ?? "") || byText(check, cells, row);
}

const decimalTypes = /^(?:DECIMAL|DOUBLE|FLOAT|REAL|U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?)/;
const momentTypes = /^(?:TIMESTAMP|DATE)/;

/** The checks of one row, by the names of the rule model. */
export const rowChecks: Readonly<Record<string, RowCheck>> = {
  CheckValue: (check, cells, row) => isValue(check, cells.at(columnOf(check), row)),
  CheckNotValue: (check, cells, row) => !isValue(check, cells.at(columnOf(check), row)),
  CheckSameValue: (check, cells, row) =>
    cells.at(named(check, "ColumnAName"), row) === cells.at(named(check, "ColumnBName"), row),
  CheckNotSameValue: (check, cells, row) =>
    cells.at(named(check, "ColumnAName"), row) !== cells.at(named(check, "ColumnBName"), row),
  CheckDecimalValue: whereFilled(isDecimal),
  CheckNationalCurrency: whereFilled(isNationalCurrency),
  CheckGreaterOrEqualThanValue: (check, cells, row) => {
    const cell = cells.at(columnOf(check), row);
    return cell === null || compareDecimals(cell, Number(check.Value)) >= 0;
  },
  ColumnByColumnEqualsColumnValue: productHolds,
  TypeString: typed(/^(?:VARCHAR|ENUM|UUID|JSON)/, () => true),
  TypeDecimal: typed(decimalTypes, isDecimal),
  TypeDateTime: typed(momentTypes, isDateTime),
  FormatString: whereFilled(isFilledText),
  FormatNumeric: formatted(decimalTypes, isNumeric),
  FormatDateTime: formatted(momentTypes, isDateTime),
  FormatUnit: whereFilled(isUnit),
  FormatKeyValue: whereFilled(isKeyValue),
  FormatCurrency: whereFilled(
    (text) => isNationalCurrency(text) || (isFilledText(text) && !/^[A-Za-z]{3}$/.test(text)),
  ),
};

/** The column of a check. */
export function columnOf(check: RuleCheck): string {
  const column = check.ColumnName ?? check.CheckCondition;
  if (column === undefined) throw rulesNotValid(`a ${check.CheckFunction} names no column`);
  return column;
}

export function named(
  check: RuleCheck,
  argument: "ColumnAName" | "ColumnBName" | "ResultColumnName",
): string {
  const column = check[argument];
  if (column === undefined) throw rulesNotValid(`a ${check.CheckFunction} has no ${argument}`);
  return column;
}

function isValue({ Value: value }: RuleCheck, cell: string | null): boolean {
  if (value === null || value === undefined) return cell === null;
  if (cell === null) return false;
  return typeof value === "number" ? compareDecimals(cell, value) === 0 : cell === value;
}

/** `NaN` where the cell is no decimal, which is no order at all. */
function compareDecimals(cell: string, value: number): number {
  const attos = parseAttos(cell);
  if (attos === undefined) return Number(cell) - value;
  const other = BigInt(value) * attosPerUnit;
  return attos < other ? -1 : attos > other ? 1 : 0;
}

/** Exact: a product that is off by the last digit is another product. */
function productHolds(check: RuleCheck, cells: Cells, row: number): boolean {
  const [left, right, product] = (["ColumnAName", "ColumnBName", "ResultColumnName"] as const).map(
    (argument) => {
      const cell = cells.at(named(check, argument), row);
      return cell === null ? null : parseAttos(cell);
    },
  );
  if (left === null || right === null || product === null) return true;
  if (left === undefined || right === undefined || product === undefined) return false;
  return left * right === product * attosPerUnit;
}
