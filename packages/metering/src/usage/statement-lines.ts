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
  /** What it was for; absent where nobody says. */
  readonly activity?: string;
}

/** Of each tenant the busy part of its hours of cards, 0 to 1, where somebody measured it. More busy than held is busy all the time. Pure. */
function cardUtilisation(usage: readonly TenantUsage[]): ReadonlyMap<string, number> {
  const sumOf = (resource: string) => {
    const sums = new Map<string, bigint>();
    for (const one of usage) {
      const key = usageTenantKey(one.tenant);
      if (one.resource === resource) sums.set(key, (sums.get(key) ?? 0n) + one.quantity);
    }
    return sums;
  };
  const [held, busy] = [sumOf("gpu_hours"), sumOf("gpu_busy_hours")];
  return new Map(
    [...busy].flatMap(([key, quantity]) => {
      const all = held.get(key) ?? 0n;
      return all === 0n ? [] : [[key, Math.min(1, Number((quantity * 1_000_000n) / all) / 1e6)]];
    }),
  );
}

/**
 * Recorded usage as statements count it. Each resource's total is rounded once, to the nearest of the parts of a unit that statements have, and tenants'
 * parts sum to it: a part of an hour is 4.3 microseconds. Hours of cards say how busy these were, where that was measured. Pure; the order of the input plays no
 * part.
 *
 * @param billed resources that a bill has a line of
 */
export function statementLines(recorded: readonly TenantUsage[], billed: ReadonlySet<string>): UsageLine[] {
  const utilisations = cardUtilisation(recorded);
  const usage = recorded.filter(({ resource }) => billed.has(resource));
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
    for (const [index, { tenant, activity }] of inOrder.entries()) {
      const utilisation = resource === "gpu_hours" ? utilisations.get(usageTenantKey(tenant)) : undefined;
      const quantity = quantities[index] ?? 0n;
      lines.push({
        tenant,
        resource,
        quantity,
        ...(activity === undefined ? {} : { activity }),
        ...(utilisation === undefined ? {} : { utilisation }),
      });
    }
  }
  return lines;
}

/** By tenant and what it was for. */
function summed(used: readonly TenantUsage[]): readonly TenantUsage[] {
  const sums = new Map<string, TenantUsage>();
  for (const one of used) {
    const key = JSON.stringify([usageTenantKey(one.tenant), one.activity ?? ""]);
    sums.set(key, { ...one, quantity: one.quantity + (sums.get(key)?.quantity ?? 0n) });
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}
