import {
  type Authorizer,
  type CallContext,
  type Environment,
  environments,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import type { MeteringErrorCode } from "../errors.ts";
import { activityOf } from "./activities.ts";
import type { UsageLineView, UsagePage, UsageReport } from "./contract.ts";
import { boundsOf, parsePeriod } from "./period.ts";
import { countedAs, countedText } from "./resources.ts";
import { type UsageLevel, usageLevels } from "./usage-record.ts";
import {
  lateUsage,
  listUsage,
  listUsagePlaces,
  sumUsage,
  type UsagePlace,
  type UsageSum,
} from "./usage-store.ts";

export interface ReadUsageDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
}

/** What is of no environment is shown to those who may see production's. */
export function environmentOf(text: string): Environment {
  return environments.find((one) => one === text) ?? "production";
}

/** Of places with usage those that the caller may see. */
export async function visiblePlaces(
  { work, authorizer }: ReadUsageDeps,
  call: CallContext,
  stretch: { readonly start: number; readonly end: number },
): Promise<(place: UsagePlace) => boolean> {
  const { organisationId } = call.actor;
  const places = await work.read(call, (sql) => listUsagePlaces(sql, organisationId, stretch));
  const seen = new Set<string>();
  for (const place of places) {
    const { businessUnitId, teamId, useCaseId } = place;
    const resource = {
      type: "Usage",
      organisationId,
      environment: environmentOf(place.environment),
      ...(businessUnitId ? { businessUnitId } : {}),
      ...(teamId ? { teamId } : {}),
      ...(useCaseId ? { useCaseId } : {}),
    };
    if ((await authorizer.decide(call, "usage:read", resource)).allowed) seen.add(placeKey(place));
  }
  return (place) => seen.has(placeKey(place));
}

function placeKey({ environment, businessUnitId, teamId, useCaseId }: UsagePlace): string {
  return JSON.stringify([environment, businessUnitId, teamId, useCaseId]);
}

export interface UsageQuery {
  readonly period: string;
  readonly level: UsageLevel;
  readonly resource?: string;
  /** Lines of what usage was for stand apart. */
  readonly activities?: boolean;
}

/** What the caller may see of what was used in a month, summed down to a level. */
export async function readUsage(
  deps: ReadUsageDeps,
  call: CallContext,
  query: UsageQuery,
): Promise<UsageReport> {
  const period = parsePeriod(query.period);
  const { organisationId } = call.actor;
  const bounds = boundsOf(period);
  const isVisible = await visiblePlaces(deps, call, bounds);
  return deps.work.read(call, async (sql) => {
    const sums = (await sumUsage(sql, organisationId, bounds)).filter(isVisible);
    const late = await lateUsage(sql, organisationId, period);
    const wanted = sums.filter(({ resource }) => query.resource === undefined || resource === query.resource);
    return {
      period,
      lines: rollUpUsage(wanted, query),
      changed: sums.length > 0 ? (late ?? null) : null,
    };
  });
}

/** Sums down to a level, in the order of names, resources and activities. Pure. */
function rollUpUsage(
  sums: readonly UsageSum[],
  { level, activities = false }: Pick<UsageQuery, "level" | "activities">,
): UsageLineView[] {
  const lines = new Map<
    string,
    Pick<UsageSum, "resource" | "quantity"> & { readonly names: string[]; readonly activity: string }
  >();
  for (const sum of sums) {
    const activity = activities ? activityOf(sum.source) : "";
    const names = usageLevels.slice(0, usageLevels.indexOf(level) + 1).map((one) => sum[one]);
    const key = JSON.stringify([names, sum.resource, activity]);
    const before = lines.get(key)?.quantity ?? 0n;
    lines.set(key, { names, resource: sum.resource, activity, quantity: before + sum.quantity });
  }
  return [...lines]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { names, resource, activity, quantity }]) => {
      const counted = countedAs(resource);
      const amount = countedText(quantity, counted);
      return {
        names,
        resource,
        unit: counted.unit,
        quantity: quantity.toString(),
        amount,
        ...(activity === "" ? {} : { activity }),
      };
    });
}

const pageSize = 1000;

/** Records of a month that the caller may see, a page at a time. */
export async function readRecords(
  deps: ReadUsageDeps,
  call: CallContext,
  query: { readonly period: string; readonly after?: string },
): Promise<UsagePage> {
  const period = parsePeriod(query.period);
  const isVisible = await visiblePlaces(deps, call, boundsOf(period));
  const found = await deps.work.read(call, (sql) =>
    listUsage(sql, call.actor.organisationId, period, afterOf(query.after), pageSize),
  );
  const last = found.length === pageSize ? found.at(-1) : undefined;
  const visible = found.filter((one) => isVisible({ ...one, environment: one.tenant.environment }));
  return {
    records: visible.map(({ source, id, meter, tenant, resource, quantity, start, end, recordedAt }) => ({
      source,
      id,
      meter,
      tenant,
      resource,
      quantity: quantity.toString(),
      start,
      end,
      recordedAt,
    })),
    next: last ? JSON.stringify([last.source, last.id]) : null,
  };
}

function afterOf(text: string | undefined): { readonly source: string; readonly id: string } {
  if (text === undefined) return { source: "", id: "" };
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "string")
      return { source: value[0], id: value[1] };
  } catch {
    // Said below, as of any text that no page gave.
  }
  throw new PortolanError<MeteringErrorCode>("metering.usage_not_valid", {
    detail: "after is not what a page gave as next",
    mend: "Leave it out to begin with the first page.",
  });
}
