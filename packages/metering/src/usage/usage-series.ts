import type { UsageRecordView } from "./contract.ts";
import { endpointOfMeter } from "./count-accepted-blocks.ts";
import { dayMicros, quantitiesByStep } from "./daily-usage.ts";
import { type CountedResource, countedAs } from "./resources.ts";
import type { UsageTenant } from "./usage-record.ts";

/** Of whom, and of what; a tenant's name that is left out is anybody's. */
export interface SeriesQuery {
  readonly resource: string;
  readonly tenant: Partial<UsageTenant>;
  /** Of records of the prediction log alone. */
  readonly endpoint?: string;
}

export type SeriesRecord = UsageRecordView & { readonly source: string };

export interface UsageSeries {
  /** Start of the first step with usage, epoch microseconds. */
  readonly start: number;
  /** One for each whole step until now, in the unit that bills are in. */
  readonly values: readonly number[];
}

/** Is this record of what is asked for? Pure. */
export function isOf({ resource, tenant, endpoint }: SeriesQuery): (record: SeriesRecord) => boolean {
  const names = Object.entries(tenant) as (readonly [keyof UsageTenant, string])[];
  return (record) =>
    record.resource === resource &&
    names.every(([level, name]) => record.tenant[level] === name) &&
    (endpoint === undefined || endpointOfMeter(record) === endpoint);
}

/** Counted a day at a time, after its end: before, a step would look as if nothing had been used. */
const dailyResources: readonly string[] = ["storage_gb_months" satisfies CountedResource];

/**
 * Usage by steps of UTC, from the first with any up to the last whole one; `undefined` without any. What takes longer than a step is spread over its time. Pure.
 *
 * @param records that `isOf` lets through
 */
export function usageSeries(
  records: readonly SeriesRecord[],
  {
    resource,
    stepMicros,
    now,
  }: { readonly resource: string; readonly stepMicros: number; readonly now: number },
): UsageSeries | undefined {
  const used = records.filter(({ quantity }) => quantity !== "0");
  if (used.length === 0) return undefined;
  const floor = (at: number, step: number): number => Math.floor(at / step) * step;
  const start = floor(
    used.reduce((first, record) => Math.min(first, record.start), Number.POSITIVE_INFINITY),
    stepMicros,
  );
  const end = floor(floor(now, stepMicros), dailyResources.includes(resource) ? dayMicros : 1);
  const count = Math.max(0, Math.floor((end - start) / stepMicros));
  const quantities = quantitiesByStep(
    used.map((record) => ({ quantity: BigInt(record.quantity), start: record.start, end: record.end })),
    { from: start, count, stepMicros },
  );
  const { perUnit } = countedAs(resource);
  return { start, values: quantities.map((quantity) => Number(quantity) / Number(perUnit)) };
}
