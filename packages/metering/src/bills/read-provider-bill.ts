import type { Table } from "../focus/table.ts";
import { type BillRows, billNotValid, billRows, eachRow, requireSound } from "./bill-rows.ts";
import type { Charge, ProviderBill } from "./charge.ts";
import { curColumns, readCurRow } from "./cur-row.ts";
import { focusBillColumns, focusVersion, readFocusRow } from "./focus-row.ts";

/** Columns that are read of a provider's bill; others may be there. */
export const providerBillColumns: readonly string[] = [
  ...focusBillColumns,
  ...curColumns.flatMap((name) => [name, snakeOf(name)]),
  // By these the version of FOCUS is told.
  "InvoiceId",
  "ServiceSubcategory",
  "CapacityReservationId",
];

/**
 * Reads a bill of FOCUS 1.0 to 1.2 or of AWS's Cost and Usage Report, old or 2.0. Each row is read or refused: none is left out. Pure.
 *
 * @throws PortolanError `metering.file_not_valid` with the line of each finding
 */
export function readProviderBill(table: Table, file: string): ProviderBill {
  const rows = billRows(table, file);
  const found = formatOf(rows);
  const currencies = new Set<string>();
  const charges = eachRow(rows).map((row): Charge => {
    const { charge, currency } =
      found.kind === "focus"
        ? readFocusRow(row)
        : readCurRow(row, found.kind === "cur" ? (name) => name : snakeOf);
    currencies.add(currency);
    if (charge.start !== "" && charge.end !== "" && charge.end <= charge.start)
      row.fault(`it ends at ${charge.end}, not after its start at ${charge.start}`);
    if (!/^[A-Z]{3}$/.test(currency))
      row.fault(`currency: ${JSON.stringify(currency.slice(0, 20))} is no ISO 4217 code`);
    return charge;
  });
  if (charges.length === 0) throw billNotValid(file, [{ detail: "it has no rows", at: { file } }]);
  requireSound(rows);
  if (currencies.size > 1)
    throw billNotValid(file, [
      { detail: `it has several currencies: ${[...currencies].toSorted().join(", ")}`, at: { file } },
    ]);
  return { format: found.format, currency: [...currencies][0] ?? "XXX", charges };
}

type Format =
  | { readonly kind: "focus"; readonly format: ProviderBill["format"] }
  | { readonly kind: "cur" | "snake"; readonly format: ProviderBill["format"] };

function formatOf(rows: BillRows): Format {
  const { file } = rows;
  const has = (column: string) => rows.has(column);
  const missing = (columns: readonly string[]) => columns.filter((column) => !has(column));
  const require = (columns: readonly string[]): void => {
    const faults = missing(columns).map((column) => ({
      detail: `the header has no column ${column}`,
      at: { file, line: 1 },
    }));
    if (faults.length > 0) throw billNotValid(file, faults);
  };
  if (has("BilledCost") || has("ChargeCategory")) {
    require([
      "BilledCost",
      "EffectiveCost",
      "BillingCurrency",
      "ChargeCategory",
      "ChargePeriodStart",
      "ChargePeriodEnd",
      "ServiceName",
    ]);
    return { kind: "focus", format: focusVersion(has) };
  }
  const needed = [
    "lineItem/LineItemType",
    "lineItem/UnblendedCost",
    "lineItem/CurrencyCode",
    "lineItem/UsageStartDate",
    "lineItem/UsageEndDate",
  ];
  if (has("lineItem/LineItemType")) {
    require(needed);
    return { kind: "cur", format: "CUR" };
  }
  if (has("line_item_line_item_type")) {
    require(needed.map(snakeOf));
    return { kind: "snake", format: "CUR 2.0" };
  }
  throw billNotValid(file, [
    {
      detail:
        "it is neither FOCUS (BilledCost) nor a Cost and Usage Report (lineItem/LineItemType or line_item_line_item_type)",
      at: { file, line: 1 },
    },
  ]);
}

/** `savingsPlan/SavingsPlanARN` is `savings_plan_savings_plan_a_r_n` in CUR 2.0. */
function snakeOf(name: string): string {
  return name
    .replaceAll("/", "_")
    .replaceAll(/[A-Z]/g, (letter, at: number) => (at === 0 || name[at - 1] === "/" ? letter : `_${letter}`))
    .toLowerCase();
}
