import type { Currency, Money } from "@portolan/kernel";

/** Who used something: from the business unit down to where it ran; what is not known is empty. */
export interface Tenant {
  readonly businessUnit: string;
  readonly team: string;
  readonly useCase: string;
  readonly model?: string;
  readonly environment: string;
}
export const tenantLevels = ["businessUnit", "team", "useCase", "model", "environment"] as const;
export type TenantLevel = (typeof tenantLevels)[number];

/** What a tenant used of a resource. */
export interface UsageLine {
  readonly tenant: Tenant;
  readonly resource: string;
  /** In `partsPerUnit` of the resource's unit, so that sums are exact. */
  readonly quantity: bigint;
  /** What it was for, such as `serving` or `training`: it plays no part in what a tenant owes, and says what an inference costs. */
  readonly activity?: string;
  /** How busy it was kept on average, 0 to 1; absent where nobody measured it. */
  readonly utilisation?: number;
}

/** A line of a bill. */
export interface BillLine {
  readonly name: string;
  /** `metered`: split by the usage of the resource of that name. `shared`: by the method that the order names; support, credits and tax are such. */
  readonly kind: "metered" | "shared";
  /** Credits are negative. */
  readonly amount: Money;
  /** What was paid for, in `partsPerUnit`: what of it nobody used is idle. Absent where only use is billed. */
  readonly capacity?: bigint;
}

export interface Bill {
  readonly currency: Currency;
  readonly lines: readonly BillLine[];
}

/** Same tenants, same text; sorts as texts do. */
export function tenantKey(tenant: Tenant): string {
  return JSON.stringify(tenantLevels.map((level) => tenant[level] ?? ""));
}
