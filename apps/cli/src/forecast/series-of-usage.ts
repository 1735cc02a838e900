import type { Series } from "@portolan/capacity";
import { asEpochMicros, systemClock } from "@portolan/kernel";
import {
  addMonths,
  dayMicros,
  isOf,
  periodOf,
  type SeriesQuery,
  type SeriesRecord,
  usageSeries,
} from "@portolan/metering";
import { type CliContext, connect } from "../context.ts";
import { badUsage } from "../read-input.ts";
import { usageRecords } from "../usage/usage-records.ts";

export const usageSteps = { hour: dayMicros / 24, day: dayMicros } as const;
export type UsageStep = keyof typeof usageSteps;

/**
 * Recorded usage that the caller may see, of this month and so many before it.
 *
 * @throws PortolanError `cli.bad_usage` where nothing was recorded
 */
export async function seriesOfUsage(
  context: CliContext,
  query: SeriesQuery,
  { by, months }: { readonly by: UsageStep; readonly months: number },
): Promise<Series> {
  const api = await connect(context);
  const now = systemClock.now();
  const found: SeriesRecord[] = [];
  for (let before = months; before >= 0; before--)
    found.push(...(await usageRecords(api, addMonths(periodOf(now), -before))).filter(isOf(query)));
  const stepMicros = usageSteps[by];
  const series = usageSeries(found, { resource: query.resource, stepMicros, now });
  if (series === undefined)
    throw badUsage(
      `nothing was recorded of ${subjectOf(query)} in this month and the ${months} before it`,
      "portolan usage show --period <month> --by environment says what was, and under which names.",
    );
  return { start: asEpochMicros(series.start), stepMicros, values: series.values };
}

export function subjectOf({ resource, tenant, endpoint }: SeriesQuery): string {
  const names = [...Object.values(tenant), ...(endpoint === undefined ? [] : [endpoint])];
  return names.length === 0 ? resource : `${resource} of ${names.join("/")}`;
}
