import { allocateWhole, type EpochMicros } from "@portolan/kernel";
import type { Tenant } from "../lines.ts";
import { addMonths, boundsOf, type Period, periodOf } from "./period.ts";

/** Who used something: a tenant, and the model that did it for them; what is not known is empty. */
export interface UsageTenant extends Tenant {
  readonly model: string;
}
export const usageLevels = ["businessUnit", "team", "useCase", "model", "environment"] as const;
export type UsageLevel = (typeof usageLevels)[number];

/** One thing that was used, as its source saw it. */
export interface UsageRecord {
  /** Who counted it: `predictions`, `training`, `import/…`. */
  readonly source: string;
  /** Stable: the same thing again has the same. */
  readonly id: string;
  /** What was metered: an endpoint, a run, a container. One meter counts a moment once. */
  readonly meter: string;
  readonly tenant: UsageTenant;
  readonly resource: string;
  /** In smallest units of the resource (`resources.ts`). */
  readonly quantity: bigint;
  /** UTC. */
  readonly start: EpochMicros;
  /** Exclusive; the start itself for what takes no time. */
  readonly end: EpochMicros;
}

/** A record that lies in one month. */
export interface PeriodRecord extends UsageRecord {
  readonly period: Period;
}

/**
 * The record, cut where months of UTC end. Its quantity is split by time in whole units and the parts sum to it; what is left of a division goes to the
 * largest remainders. Pure.
 */
export function splitByPeriod(record: UsageRecord): PeriodRecord[] {
  const first = periodOf(record.start);
  const last = record.end > record.start ? periodOf(record.end - 1) : first;
  if (first === last) return [{ ...record, period: first }];
  const periods: Period[] = [];
  for (let period = first; period <= last; period = addMonths(period, 1)) periods.push(period);
  const pieces = periods.map((period) => {
    const { start, end } = boundsOf(period);
    return {
      period,
      start: start > record.start ? start : record.start,
      end: end < record.end ? end : record.end,
    };
  });
  const quantities = allocateWhole(
    record.quantity,
    pieces.map(({ start, end }) => BigInt(end - start)),
  );
  return pieces.map((piece, index) => ({ ...record, ...piece, quantity: quantities[index] ?? 0n }));
}

/** Same tenants, same text; sorts as texts do. */
export function usageTenantKey(tenant: UsageTenant): string {
  return JSON.stringify(usageLevels.map((level) => tenant[level]));
}
