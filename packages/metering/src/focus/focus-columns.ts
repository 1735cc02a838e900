/** The columns of a statement in FOCUS 1.2, in the order of their names, and then those of our own. */
export const focusColumns = [
  "AvailabilityZone",
  "BilledCost",
  "BillingAccountId",
  "BillingAccountName",
  "BillingAccountType",
  "BillingCurrency",
  "BillingPeriodEnd",
  "BillingPeriodStart",
  "CapacityReservationId",
  "CapacityReservationStatus",
  "ChargeCategory",
  "ChargeClass",
  "ChargeDescription",
  "ChargeFrequency",
  "ChargePeriodEnd",
  "ChargePeriodStart",
  "ConsumedQuantity",
  "ConsumedUnit",
  "ContractedCost",
  "ContractedUnitPrice",
  "EffectiveCost",
  "InvoiceId",
  "InvoiceIssuerName",
  "ListCost",
  "ListUnitPrice",
  "PricingCategory",
  "PricingCurrency",
  "PricingCurrencyContractedUnitPrice",
  "PricingCurrencyEffectiveCost",
  "PricingCurrencyListUnitPrice",
  "PricingQuantity",
  "PricingUnit",
  "ProviderName",
  "PublisherName",
  "RegionId",
  "RegionName",
  "ResourceId",
  "ResourceName",
  "ResourceType",
  "ServiceCategory",
  "ServiceName",
  "ServiceSubcategory",
  "SkuId",
  "SkuMeter",
  "SkuPriceDetails",
  "SkuPriceId",
  "SubAccountId",
  "SubAccountName",
  "SubAccountType",
  "Tags",
  // FOCUS 1.3 names these without the prefix; in a table of 1.2 a column that it does not define has to have one.
  "x_AllocatedMethodId",
  "x_AllocatedResourceId",
  "x_AllocatedResourceName",
  "x_AllocatedTags",
  "x_ExactQuantity",
] as const;
export type FocusColumn = (typeof focusColumns)[number];
/** What FOCUS types otherwise than as a text; key-value columns are JSON objects. */
const decimalColumns: readonly FocusColumn[] = [
  "BilledCost",
  "ConsumedQuantity",
  "ContractedCost",
  "ContractedUnitPrice",
  "EffectiveCost",
  "ListCost",
  "ListUnitPrice",
  "PricingCurrencyContractedUnitPrice",
  "PricingCurrencyEffectiveCost",
  "PricingCurrencyListUnitPrice",
  "PricingQuantity",
];
const instantColumns: readonly FocusColumn[] = [
  "BillingPeriodEnd",
  "BillingPeriodStart",
  "ChargePeriodEnd",
  "ChargePeriodStart",
];
const objectColumns: readonly FocusColumn[] = ["SkuPriceDetails", "Tags", "x_AllocatedTags"];

export type FocusType = "decimal" | "instant" | "object" | "text";

export function focusType(column: FocusColumn): FocusType {
  if (decimalColumns.includes(column)) return "decimal";
  if (instantColumns.includes(column)) return "instant";
  return objectColumns.includes(column) ? "object" : "text";
}

export type FocusRow = Readonly<Partial<Record<FocusColumn, string | null>>>;

interface Service {
  readonly category: string;
  readonly subcategory: string;
}

const services: readonly (readonly [RegExp, Service])[] = [
  [/gpu|cpu|core|ram|memory|node|tpu/i, { category: "Compute", subcategory: "Containers" }],
  [
    /storage|object|disk|volume|pv|scoring_(?:read|written)_gb/i,
    { category: "Storage", subcategory: "Other (Storage)" },
  ],
  [
    /egress|network|transfer|(?:request|response)_gb/i,
    { category: "Networking", subcategory: "Network Connectivity" },
  ],
  [/token|inference|model/i, { category: "AI and Machine Learning", subcategory: "AI Platforms" }],
  [/support/i, { category: "Management and Governance", subcategory: "Support" }],
];

/** By the name of the line: a statement's lines are named by people. */
export function serviceOf(line: string): Service {
  return (
    services.find(([words]) => words.test(line))?.[1] ?? { category: "Other", subcategory: "Other (Other)" }
  );
}

const units: Readonly<Record<string, string>> = {
  gpu_hours: "GPU-Hours",
  gpu_seconds: "GPU-Seconds",
  cpu_hours: "Core-Hours",
  cpu_seconds: "Core-Seconds",
  storage_gb_hours: "GB-Hours",
  storage_gb_months: "GB-Months",
  egress_gb: "GB",
  request_gb: "GB",
  response_gb: "GB",
  scoring_read_gb: "GB",
  scoring_written_gb: "GB",
};

/** As UnitFormat wants it: `h100_hours` is `H100-Hours`. */
export function unitOf(line: string): string {
  const known = units[line];
  if (known !== undefined) return known;
  const words = line
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const last = words.at(-1) ?? "";
  const isTime = /^(?:Years|Months|Days|Hours|Minutes|Seconds)$/.test(last);
  const head = (isTime ? words.slice(0, -1) : words).join(" ");
  if (!/^[A-Z]/.test(head)) return "Units";
  return isTime ? `${head}-${last}` : head;
}
