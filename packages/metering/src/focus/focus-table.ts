import { formatDecimal, type Money } from "@portolan/kernel";
import type { AllocatedLine, Allocation } from "../allocate-bill.ts";
import { attosPerUnit, attosText } from "../bills/exact-decimal.ts";
import { type Tenant, tenantLevels } from "../lines.ts";
import { partsPerUnit, quantityText } from "../quantity.ts";
import { type FocusColumn, type FocusRow, focusColumns, serviceOf, unitOf } from "./focus-columns.ts";
import type { Table } from "./table.ts";

export interface FocusIssuer {
  /** Who charges: provider, publisher and issuer of the invoice are the same for a statement within a company. */
  readonly name: string;
  /** The account that all business units belong to. */
  readonly accountId: string;
  readonly accountName: string;
}

export interface FocusPeriod {
  /** First instant, and the one after the last, as `2026-11-01T00:00:00Z`. */
  readonly start: string;
  readonly end: string;
}

/** How a part of a line came to whom it is charged to; `x_AllocatedMethodId`. */
const methods = {
  own: { id: "usage", words: "used" },
  quota: { id: "unused-quota", words: "quota that was not used" },
  idle: { id: "idle-by-usage", words: "part of what nobody used" },
  shared: { id: "shared", words: "part of a shared line" },
  nobody: { id: "unallocated", words: "used by nobody" },
} as const;
type Method = keyof typeof methods;

/**
 * An allocation as a cost and usage table of FOCUS 1.2, one row for each part of each line; the column BilledCost sums to the bill exactly. A unit price times
 * a quantity has to be the cost, exactly: where no decimal price does it, the rest of the division is a row of its own. Pure.
 */
export function focusTable(allocation: Allocation, issuer: FocusIssuer, period: FocusPeriod): Table {
  const common = commonCells(issuer, period, allocation.total.currency);
  const rows: FocusRow[] = allocation.lines.flatMap((line) => linePartRows(common, line));
  for (const { line, quantity, amount } of allocation.unattributed)
    rows.push(
      ...costRows({ ...common, ...serviceCells(line) }, { line, method: "nobody", amount, quantity }),
    );
  return {
    columns: focusColumns,
    rows: rows.map((row) => focusColumns.map((column) => row[column] ?? null)),
  };
}

function commonCells(issuer: FocusIssuer, { start, end }: FocusPeriod, currency: string): FocusRow {
  return {
    BillingAccountId: issuer.accountId,
    BillingAccountName: issuer.accountName,
    BillingAccountType: "Organization",
    BillingCurrency: currency,
    BillingPeriodStart: start,
    BillingPeriodEnd: end,
    ChargePeriodStart: start,
    ChargePeriodEnd: end,
    InvoiceId: `statement-${start.slice(0, 7)}`,
    InvoiceIssuerName: issuer.name,
    PricingCurrency: currency,
    ProviderName: issuer.name,
    PublisherName: issuer.name,
  };
}

function linePartRows(common: FocusRow, part: AllocatedLine): FocusRow[] {
  const { tenant, line, quantity } = part;
  const cells = { ...common, ...serviceCells(line), ...tenantCells(tenant) };
  return (["own", "quota", "idle", "shared"] as const).flatMap((method) => {
    const amount = part[method];
    const isUsed = method === "own" && quantity > 0n;
    if (amount.nanos === 0n && !isUsed) return [];
    return costRows(cells, { line, method, amount, quantity: isUsed ? quantity : 0n });
  });
}

function serviceCells(line: string): FocusRow {
  const { category, subcategory } = serviceOf(line);
  return { ServiceName: line, ServiceCategory: category, ServiceSubcategory: subcategory };
}

function tenantCells(tenant: Tenant): FocusRow {
  const names = tenantLevels.map((level) => tenant[level] ?? "");
  const path = names.filter(Boolean).join("/");
  const tags = JSON.stringify(
    Object.fromEntries(tenantLevels.flatMap((level, at) => (names[at] ? [[level, names[at]]] : []))),
  );
  return {
    SubAccountId: tenant.businessUnit,
    SubAccountName: tenant.businessUnit,
    SubAccountType: "Business Unit",
    ResourceId: path,
    ResourceName: path,
    ResourceType: "Tenant",
    Tags: tags,
    x_AllocatedResourceId: path,
    x_AllocatedResourceName: path,
    x_AllocatedTags: tags,
  };
}

interface Part {
  readonly line: string;
  readonly method: Method;
  readonly amount: Money;
  readonly quantity: bigint;
}

function costRows(cells: FocusRow, { line, method, amount, quantity }: Part): FocusRow[] {
  const { id, words } = methods[method];
  const base: FocusRow = { ...cells, x_AllocatedMethodId: id, ChargeDescription: `${line}: ${words}` };
  // What comes back, such as a part of a credit, has no price for a unit.
  if (amount.nanos < 0n) return [flatRow(base, "Credit", formatDecimal(amount))];
  if (line === taxLine && quantity === 0n) return [flatRow(base, "Tax", formatDecimal(amount))];
  if (quantity === 0n)
    return [
      pricedRow(base, { line, unit: "Allocations", quantity: attosPerUnit, price: amount.nanos * 10n ** 9n }),
    ];
  return usageRows({ ...base, x_ExactQuantity: quantityText(quantity) }, { line, method, amount, quantity });
}

/** As bills that are read name it (`bills/bill-mapping.ts`). */
const taxLine = "tax";

const nano = 10n ** 9n;

/** The quantity to nine decimals and a price rounded down to nine: their product has eighteen, and the rest is a row of its own. */
function usageRows(base: FocusRow, { line, amount, quantity }: Part): FocusRow[] {
  const nanoUnits = (quantity * nano) / partsPerUnit || 1n;
  const cost = amount.nanos * nano;
  const price = cost / nanoUnits;
  const rest = cost - price * nanoUnits;
  const used = pricedRow(base, { line, unit: unitOf(line), quantity: nanoUnits * nano, price: price * nano });
  if (rest === 0n) return [used];
  return [
    used,
    flatRow(
      { ...base, x_ExactQuantity: null, ChargeDescription: `${line}: rest of the division by the quantity` },
      "Adjustment",
      attosText(rest),
    ),
  ];
}

interface Priced {
  readonly line: string;
  readonly unit: string;
  /** Both in 10^-18. */
  readonly quantity: bigint;
  readonly price: bigint;
}

function pricedRow(base: FocusRow, { line, unit, quantity, price }: Priced): FocusRow {
  const amount = attosText((quantity * price) / attosPerUnit);
  const unitPrice = attosText(price);
  const sku = `${line}/${unit}`;
  return {
    ...costCells(base, amount),
    ChargeCategory: "Usage",
    ChargeFrequency: "Usage-Based",
    ConsumedQuantity: attosText(quantity),
    ConsumedUnit: unit,
    ContractedUnitPrice: unitPrice,
    ListUnitPrice: unitPrice,
    PricingCategory: "Standard",
    PricingCurrencyContractedUnitPrice: unitPrice,
    PricingCurrencyListUnitPrice: unitPrice,
    PricingQuantity: attosText(quantity),
    PricingUnit: unit,
    SkuId: sku,
    SkuMeter: line,
    SkuPriceId: sku,
  };
}

function flatRow(base: FocusRow, category: "Credit" | "Adjustment" | "Tax", amount: string): FocusRow {
  return { ...costCells(base, amount), ChargeCategory: category, ChargeFrequency: "One-Time" };
}

function costCells(base: FocusRow, amount: string): FocusRow {
  const cost: Readonly<Partial<Record<FocusColumn, string>>> = {
    BilledCost: amount,
    EffectiveCost: amount,
    ContractedCost: amount,
    ListCost: amount,
    PricingCurrencyEffectiveCost: amount,
  };
  return { ...base, ...cost };
}
