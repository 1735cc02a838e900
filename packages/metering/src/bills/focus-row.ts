import type { BillRow } from "./bill-rows.ts";
import { type Charge, type ChargeCategory, chargeCategories, type ProviderBill } from "./charge.ts";

export const focusBillColumns = [
  "BilledCost",
  "BillingCurrency",
  "ChargeCategory",
  "ChargeClass",
  "ChargeDescription",
  "ChargePeriodEnd",
  "ChargePeriodStart",
  "CommitmentDiscountId",
  "ConsumedQuantity",
  "ConsumedUnit",
  "EffectiveCost",
  "ListCost",
  "PricingQuantity",
  "PricingUnit",
  "RegionId",
  "ResourceId",
  "ServiceName",
  "SkuId",
  "SubAccountId",
] as const;

/** By the columns that a version brought. */
export function focusVersion(has: (column: string) => boolean): ProviderBill["format"] {
  if (has("InvoiceId")) return "FOCUS 1.2";
  return has("ServiceSubcategory") || has("CapacityReservationId") ? "FOCUS 1.1" : "FOCUS 1.0";
}

export function readFocusRow(row: BillRow): { readonly charge: Charge; readonly currency: string } {
  const list = row.optionalAmount("ListCost");
  const quantity = row.optionalAmount("ConsumedQuantity") ?? row.optionalAmount("PricingQuantity");
  if (row.text("BilledCost") === "") row.fault("BilledCost: it is empty");
  if (row.text("EffectiveCost") === "") row.fault("EffectiveCost: it is empty");
  return {
    currency: row.text("BillingCurrency"),
    charge: {
      row: row.number,
      category: categoryOf(row),
      isCorrection: row.text("ChargeClass") === "Correction",
      service: row.text("ServiceName"),
      sku: row.text("SkuId"),
      description: row.text("ChargeDescription"),
      resource: row.text("ResourceId"),
      account: row.text("SubAccountId"),
      region: row.text("RegionId"),
      start: row.moment("ChargePeriodStart"),
      end: row.moment("ChargePeriodEnd"),
      billed: row.amount("BilledCost"),
      effective: row.amount("EffectiveCost"),
      ...(list === undefined ? {} : { list }),
      ...(quantity === undefined ? {} : { quantity }),
      unit: row.text("ConsumedUnit") || row.text("PricingUnit"),
      commitment: row.text("CommitmentDiscountId"),
    },
  };
}

function categoryOf(row: BillRow): ChargeCategory {
  const text = row.text("ChargeCategory");
  const found = chargeCategories.find((category) => category === text.toLowerCase());
  if (!found) row.fault(`ChargeCategory: ${JSON.stringify(text.slice(0, 40))} is none of FOCUS`);
  return found ?? "usage";
}
