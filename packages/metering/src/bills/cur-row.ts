import type { BillRow } from "./bill-rows.ts";
import type { Charge, ChargeCategory } from "./charge.ts";

/** Of the Cost and Usage Report, by their old names. */
export const curColumns = [
  "lineItem/LineItemType",
  "lineItem/LineItemDescription",
  "lineItem/UnblendedCost",
  "lineItem/CurrencyCode",
  "lineItem/UsageStartDate",
  "lineItem/UsageEndDate",
  "lineItem/UsageAccountId",
  "lineItem/UsageAmount",
  "lineItem/UsageType",
  "lineItem/ProductCode",
  "lineItem/ResourceId",
  "pricing/publicOnDemandCost",
  "pricing/unit",
  "product/region",
  "product/regionCode",
  "reservation/EffectiveCost",
  "reservation/ReservationARN",
  "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
  "reservation/UnusedRecurringFee",
  "savingsPlan/SavingsPlanARN",
  "savingsPlan/SavingsPlanEffectiveCost",
  "savingsPlan/TotalCommitmentToDate",
  "savingsPlan/UsedCommitment",
] as const;
type CurColumn = (typeof curColumns)[number];

type Cost = (amount: (column: CurColumn) => bigint, text: (column: CurColumn) => string) => bigint;

const unblended: Cost = (amount) => amount("lineItem/UnblendedCost");
const nothing: Cost = () => 0n;

interface LineItemType {
  readonly category: ChargeCategory;
  /** What of the fee that was paid for a commitment falls on this row: all that used it, and on the fee's own row what nobody used. */
  readonly effective: Cost;
}

/** All types of line items that AWS documents; one that is not here is refused, for nobody knows what its cost means. */
const types: Readonly<Record<string, LineItemType>> = {
  Usage: { category: "usage", effective: unblended },
  DiscountedUsage: { category: "usage", effective: (amount) => amount("reservation/EffectiveCost") },
  SavingsPlanCoveredUsage: {
    category: "usage",
    effective: (amount) => amount("savingsPlan/SavingsPlanEffectiveCost"),
  },
  // Takes the price on demand of what a plan covers off the invoice again: no cost of anything.
  SavingsPlanNegation: { category: "usage", effective: nothing },
  SavingsPlanUpfrontFee: { category: "purchase", effective: nothing },
  SavingsPlanRecurringFee: {
    category: "purchase",
    effective: (amount) => amount("savingsPlan/TotalCommitmentToDate") - amount("savingsPlan/UsedCommitment"),
  },
  RIFee: {
    category: "purchase",
    effective: (amount) =>
      amount("reservation/UnusedAmortizedUpfrontFeeForBillingPeriod") +
      amount("reservation/UnusedRecurringFee"),
  },
  // A reservation's upfront fee is spread over what it covers.
  Fee: {
    category: "purchase",
    effective: (amount, text) => (text("reservation/ReservationARN") === "" ? unblended(amount, text) : 0n),
  },
  Tax: { category: "tax", effective: unblended },
  Credit: { category: "credit", effective: unblended },
  Refund: { category: "adjustment", effective: unblended },
  EdpDiscount: { category: "credit", effective: unblended },
  PrivateRateDiscount: { category: "credit", effective: unblended },
  BundledDiscount: { category: "credit", effective: unblended },
  RiVolumeDiscount: { category: "credit", effective: unblended },
  Discount: { category: "credit", effective: unblended },
};

/** @param nameOf how the file calls a column */
export function readCurRow(
  row: BillRow,
  nameOf: (column: CurColumn) => string,
): { readonly charge: Charge; readonly currency: string } {
  const text = (column: CurColumn) => row.text(nameOf(column));
  const amount = (column: CurColumn) => row.amount(nameOf(column));
  const name = text("lineItem/LineItemType");
  const type = types[name];
  if (!type)
    row.fault(`${nameOf("lineItem/LineItemType")}: ${JSON.stringify(name.slice(0, 40))} is not known`);
  if (text("lineItem/UnblendedCost") === "") row.fault(`${nameOf("lineItem/UnblendedCost")}: it is empty`);
  const list = row.optionalAmount(nameOf("pricing/publicOnDemandCost"));
  const quantity = row.optionalAmount(nameOf("lineItem/UsageAmount"));
  return {
    currency: text("lineItem/CurrencyCode"),
    charge: {
      row: row.number,
      category: type?.category ?? "usage",
      isCorrection: name === "Refund",
      service: text("lineItem/ProductCode"),
      sku: text("lineItem/UsageType"),
      description: text("lineItem/LineItemDescription"),
      resource: text("lineItem/ResourceId"),
      account: text("lineItem/UsageAccountId"),
      region: text("product/regionCode") || text("product/region"),
      start: row.moment(nameOf("lineItem/UsageStartDate")),
      end: row.moment(nameOf("lineItem/UsageEndDate")),
      billed: amount("lineItem/UnblendedCost"),
      effective: (type?.effective ?? nothing)(amount, text),
      ...(list === undefined || name === "SavingsPlanNegation" ? {} : { list }),
      ...(quantity === undefined || name === "SavingsPlanNegation" ? {} : { quantity }),
      unit: text("pricing/unit"),
      commitment: text("savingsPlan/SavingsPlanARN") || text("reservation/ReservationARN"),
    },
  };
}
