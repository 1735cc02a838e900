import { allocateWhole } from "@portolan/kernel";
import type { UsageLine } from "../lines.ts";
import { partsPerUnit } from "../quantity.ts";
import { countedAs } from "./resources.ts";
import { type UsageTenant, usageTenantKey } from "./usage-record.ts";

/** What a tenant used of a resource in a month. */
export interface TenantUsage {
  readonly tenant: UsageTenant;
  readonly resource: string;
  readonly quantity: bigint;
}

/**
 * Recorded usage as statements count it. Each resource's total is rounded once, to the nearest of the parts of a unit that statements have, and tenants'
 * parts sum to it: a part of an hour is 4.3 microseconds. Pure; the order of the input plays no part.
 */
export function statementLines(usage: readonly TenantUsage[]): UsageLine[] {
  const lines: UsageLine[] = [];
  const byResource = Map.groupBy(usage, ({ resource }) => resource);
  for (const [resource, used] of [...byResource].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const { perUnit } = countedAs(resource);
    const inOrder = summed(used);
    const sum = inOrder.reduce((total, { quantity }) => total + quantity, 0n);
    const parts = (sum * partsPerUnit * 2n + perUnit) / (perUnit * 2n);
    const quantities = allocateWhole(
      parts,
      inOrder.map(({ quantity }) => quantity),
    );
    for (const [index, { tenant }] of inOrder.entries())
      lines.push({ tenant, resource, quantity: quantities[index] ?? 0n });
  }
  return lines;
}

function summed(used: readonly TenantUsage[]): { readonly tenant: UsageTenant; readonly quantity: bigint }[] {
  const sums = new Map<string, { readonly tenant: UsageTenant; quantity: bigint }>();
  for (const { tenant, quantity } of used) {
    const key = usageTenantKey(tenant);
    const sum = sums.get(key) ?? { tenant, quantity: 0n };
    sum.quantity += quantity;
    sums.set(key, sum);
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}
