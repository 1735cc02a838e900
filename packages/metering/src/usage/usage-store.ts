import { asEpochMicros, type Sql } from "@portolan/kernel";
import { sql } from "kysely";
import { boundsOf, type Period, periodOf } from "./period.ts";
import type { PeriodRecord } from "./usage-record.ts";

/** A record with the ids that decide who may see it; empty where there is none. */
export interface PlacedRecord extends PeriodRecord {
  readonly businessUnitId: string;
  readonly teamId: string;
  readonly useCaseId: string;
}

export interface StoredRecord extends PlacedRecord {
  readonly recordedAt: number;
}

interface UsageRow {
  readonly source: string;
  readonly id: string;
  readonly period: string;
  readonly meter: string;
  readonly business_unit_id: string;
  readonly team_id: string;
  readonly use_case_id: string;
  readonly business_unit: string;
  readonly team: string;
  readonly use_case: string;
  readonly model: string;
  readonly environment: string;
  readonly resource: string;
  readonly quantity: string;
  readonly started_at: number;
  readonly ended_at: number;
  readonly recorded_at: number;
}

const batch = 500;

function valuesOf(organisationId: string, records: readonly PlacedRecord[], now: number) {
  return sql.join(
    records.map(({ tenant, ...record }) => {
      const { source, id, period, meter, businessUnitId, teamId, useCaseId, resource } = record;
      const quantity = sql`${record.quantity.toString()}::numeric`;
      return sql`(${organisationId}, ${source}, ${id}, ${period}, ${meter}, ${businessUnitId}, ${teamId}, ${useCaseId}, ${tenant.businessUnit}, ${tenant.team},
        ${tenant.useCase}, ${tenant.model}, ${tenant.environment}, ${resource}, ${quantity}, ${record.start}::bigint, ${record.end}::bigint, ${now}::bigint)`;
    }),
  );
}

const columns = sql`organisation_id, source, id, period, meter, business_unit_id, team_id, use_case_id, business_unit, team, use_case, model, environment,
  resource, quantity, started_at, ended_at, recorded_at`;

/** Adds to what is counted of the same meters and hours. */
export async function addUsage(
  session: Sql,
  organisationId: string,
  records: readonly PlacedRecord[],
  now: number,
): Promise<void> {
  for (let at = 0; at < records.length; at += batch)
    await sql`insert into metering.usage as u (${columns}) values ${valuesOf(organisationId, records.slice(at, at + batch), now)}
      on conflict (organisation_id, source, id, period) do update set quantity = u.quantity + excluded.quantity, recorded_at = excluded.recorded_at`.execute(
      session,
    );
}

/** Adds records that are not there yet. @returns those that are new */
export async function insertUsage(
  session: Sql,
  organisationId: string,
  records: readonly PlacedRecord[],
  now: number,
): Promise<readonly { readonly id: string; readonly period: Period }[]> {
  const added: { id: string; period: Period }[] = [];
  for (let at = 0; at < records.length; at += batch) {
    const { rows } = await sql<{ id: string; period: string }>`insert into metering.usage (${columns})
      values ${valuesOf(organisationId, records.slice(at, at + batch), now)} on conflict do nothing returning id, period`.execute(
      session,
    );
    added.push(...rows);
  }
  return added;
}

/** Takes records of these ids away, whatever month they lie in. @returns the months */
export async function removeUsage(
  session: Sql,
  organisationId: string,
  source: string,
  ids: readonly string[],
): Promise<readonly Period[]> {
  const { rows } = await sql<{ period: string }>`delete from metering.usage
    where organisation_id = ${organisationId} and source = ${source} and id = any(${[...ids]}::text[]) returning period`.execute(
    session,
  );
  return [...new Set(rows.map(({ period }) => period))];
}

/** Records of a source by their ids. */
export async function findUsage(
  session: Sql,
  organisationId: string,
  source: string,
  ids: readonly string[],
): Promise<StoredRecord[]> {
  const { rows } = await sql<UsageRow>`select *, quantity::text as quantity from metering.usage
    where organisation_id = ${organisationId} and source = ${source} and id = any(${[...ids]}::text[])`.execute(
    session,
  );
  return rows.map(recordOf);
}

/** The first record of another id whose meter counted a moment that one of these counts too. */
export async function findOverlap(
  session: Sql,
  organisationId: string,
  source: string,
  records: readonly PlacedRecord[],
): Promise<{ readonly id: string; readonly other: string; readonly meter: string } | undefined> {
  for (let at = 0; at < records.length; at += batch) {
    const some = records.slice(at, at + batch).filter(({ start, end }) => end > start);
    if (some.length === 0) continue;
    const asked = sql.join(
      some.map(
        ({ id, meter, resource, start, end }) =>
          sql`(${id}, ${meter}, ${resource}, ${start}::bigint, ${end}::bigint)`,
      ),
    );
    const { rows } = await sql<{
      id: string;
      other: string;
      meter: string;
    }>`select n.id, u.id as other, n.meter
      from (values ${asked}) as n (id, meter, resource, started_at, ended_at) join metering.usage u
      on u.organisation_id = ${organisationId} and u.source = ${source} and u.meter = n.meter and u.resource = n.resource and u.id <> n.id
      and u.started_at < n.ended_at and u.ended_at > n.started_at and u.ended_at > u.started_at order by 1, 2 limit 1`.execute(
      session,
    );
    if (rows[0]) return rows[0];
  }
  return undefined;
}

/** False when the block was counted before. */
export async function markBlock(
  session: Sql,
  organisationId: string,
  { writerId, epoch, block }: { readonly writerId: string; readonly epoch: number; readonly block: number },
): Promise<boolean> {
  const { rows } = await sql`insert into metering.counted_blocks (organisation_id, writer_id, epoch, block)
    values (${organisationId}, ${writerId}, ${epoch}, ${block}) on conflict do nothing returning block`.execute(
    session,
  );
  return rows.length > 0;
}

/** Forgets all that the prediction log added, and which blocks it was, so that it can be counted again. */
export async function forgetBlocks(session: Sql, organisationId: string, source: string): Promise<void> {
  await sql`delete from metering.usage where organisation_id = ${organisationId} and source = ${source}`.execute(
    session,
  );
  await sql`delete from metering.counted_blocks where organisation_id = ${organisationId}`.execute(session);
}

/** Notes that months that had ended before now have changed. @returns these months */
export async function noteLate(
  session: Sql,
  organisationId: string,
  periods: readonly Period[],
  now: number,
): Promise<readonly Period[]> {
  const late = new Map<Period, number>();
  for (const period of periods)
    if (period < periodOf(now) && boundsOf(period).end <= now) late.set(period, (late.get(period) ?? 0) + 1);
  for (const [period, count] of [...late].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    await sql`insert into metering.late_usage as l (organisation_id, period, records, last_at)
      values (${organisationId}, ${period}, ${count}, ${now}) on conflict (organisation_id, period)
      do update set records = l.records + excluded.records, last_at = excluded.last_at`.execute(session);
  return [...late.keys()].toSorted();
}

export async function lateUsage(
  session: Sql,
  organisationId: string,
  period: Period,
): Promise<{ readonly records: number; readonly lastAt: number } | undefined> {
  const { rows } = await sql<{ records: number; lastAt: number }>`select records, last_at as "lastAt"
    from metering.late_usage where organisation_id = ${organisationId} and period = ${period}`.execute(
    session,
  );
  const [row] = rows;
  return row && { records: Number(row.records), lastAt: Number(row.lastAt) };
}

/** Where usage is seen: an environment, and a tenant in it. */
export interface UsagePlace {
  readonly environment: string;
  readonly businessUnitId: string;
  readonly teamId: string;
  readonly useCaseId: string;
}

export async function listUsagePlaces(
  session: Sql,
  organisationId: string,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<UsagePlace[]> {
  const { rows } =
    await sql<UsagePlace>`select distinct environment, business_unit_id as "businessUnitId", team_id as "teamId",
    use_case_id as "useCaseId" from metering.usage
    where organisation_id = ${organisationId} and ${inPeriods(start, end)} and started_at >= ${start}::bigint and started_at < ${end}::bigint`.execute(
      session,
    );
  return rows;
}

/** Each record lies in one month: whatever touches a stretch is of its months. */
function inPeriods(start: number, end: number) {
  return sql`period between ${periodOf(start)} and ${periodOf(end - 1)}`;
}

export interface UsageSum extends UsagePlace {
  readonly source: string;
  readonly businessUnit: string;
  readonly team: string;
  readonly useCase: string;
  readonly model: string;
  readonly resource: string;
  readonly quantity: bigint;
  /** Of the stretch, counted from its start; 0 where it was not cut. */
  readonly step: number;
}

/** Sums of records that begin in a stretch, by source, tenant and resource, and by steps of so many microseconds. In the order of their texts. */
export async function sumUsage(
  session: Sql,
  organisationId: string,
  { start, end }: { readonly start: number; readonly end: number },
  stepMicros?: number,
): Promise<UsageSum[]> {
  const step =
    stepMicros === undefined ? sql`0` : sql`((started_at - ${start}::bigint) / ${stepMicros}::bigint)`;
  const { rows } = await sql<
    Omit<UsageSum, "quantity"> & { quantity: string }
  >`select environment, business_unit_id as "businessUnitId",
    team_id as "teamId", use_case_id as "useCaseId", business_unit as "businessUnit", team, use_case as "useCase", model, resource,
    sum(quantity)::text as quantity, ${step}::int as step, source from metering.usage
    where organisation_id = ${organisationId} and ${inPeriods(start, end)} and started_at >= ${start}::bigint and started_at < ${end}::bigint
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12`.execute(session);
  return rows
    .map((row) => ({ ...row, quantity: BigInt(row.quantity), step: Number(row.step) }))
    .toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function sortKey(sum: UsageSum): string {
  const { businessUnit, team, useCase, model, environment, resource, step, source } = sum;
  return JSON.stringify([businessUnit, team, useCase, model, environment, resource, step, source]);
}

/** What one meter held of cards. */
export interface CardMeter extends Pick<UsageSum, "environment" | "useCaseId" | "useCase" | "team"> {
  readonly meter: string;
  readonly held: bigint;
  /** Absent: nobody measured it. */
  readonly busy: bigint | undefined;
  readonly lastAt: number;
}

/** Of records that others counted, the longest held first. */
export async function cardMeters(
  session: Sql,
  organisationId: string,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<CardMeter[]> {
  const sumOf = (resource: string) => sql`(sum(quantity) filter (where resource = ${resource}))::text`;
  const { rows } = await sql<
    Omit<CardMeter, "held" | "busy"> & { held: string | null; busy: string | null }
  >`select environment, use_case_id as "useCaseId", use_case as "useCase", team, meter, ${sumOf("gpu_hours")} as held,
    ${sumOf("gpu_busy_hours")} as busy, max(ended_at) as "lastAt" from metering.usage
    where organisation_id = ${organisationId} and ${inPeriods(start, end)} and started_at >= ${start}::bigint and started_at < ${end}::bigint
      and source like 'import/%' and resource in ('gpu_hours', 'gpu_busy_hours')
    group by 1, 2, 3, 4, 5 order by sum(quantity) filter (where resource = 'gpu_hours') desc nulls last, meter collate "C"`.execute(
    session,
  );
  return rows.map((row) => ({
    ...row,
    held: BigInt(row.held ?? 0),
    busy: row.busy === null ? undefined : BigInt(row.busy),
    lastAt: Number(row.lastAt),
  }));
}

/** Records of a month in one order, `limit` of them after a key. */
export async function listUsage(
  session: Sql,
  organisationId: string,
  period: Period,
  after: { readonly source: string; readonly id: string },
  limit: number,
): Promise<StoredRecord[]> {
  const { rows } = await sql<UsageRow>`select *, quantity::text as quantity from metering.usage
    where organisation_id = ${organisationId} and period = ${period} and (source collate "C", id collate "C") > (${after.source}, ${after.id})
    order by source collate "C", id collate "C" limit ${limit}`.execute(session);
  return rows.map(recordOf);
}

function recordOf(row: UsageRow): StoredRecord {
  const { source, id, period, meter, resource } = row;
  return {
    source,
    id,
    period,
    meter,
    resource,
    businessUnitId: row.business_unit_id,
    teamId: row.team_id,
    useCaseId: row.use_case_id,
    tenant: {
      businessUnit: row.business_unit,
      team: row.team,
      useCase: row.use_case,
      model: row.model,
      environment: row.environment,
    },
    quantity: BigInt(row.quantity),
    start: asEpochMicros(Number(row.started_at)),
    end: asEpochMicros(Number(row.ended_at)),
    recordedAt: Number(row.recorded_at),
  };
}

export interface UsageStretch extends UsagePlace {
  readonly businessUnit: string;
  readonly team: string;
  readonly resource: string;
  readonly quantity: bigint;
  readonly start: number;
  readonly end: number;
}

/** What touches a stretch of whole days of UTC: summed by day where records lie in one, else by their own times. */
export async function usageStretches(
  session: Sql,
  organisationId: string,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<UsageStretch[]> {
  const day = sql`86400000000::bigint`;
  const { rows } = await sql<
    Omit<UsageStretch, "quantity"> & { quantity: string }
  >`with cut as (select *, started_at / ${day} = greatest(started_at, ended_at - 1) / ${day} as is_in_day
      from metering.usage where organisation_id = ${organisationId} and ${inPeriods(start, end)} and started_at < ${end}::bigint and greatest(ended_at, started_at + 1) > ${start}::bigint)
    select environment, business_unit_id as "businessUnitId", team_id as "teamId", use_case_id as "useCaseId", business_unit as "businessUnit", team, resource,
      sum(quantity)::text as quantity,
      case when is_in_day then started_at / ${day} * ${day} else started_at end as start,
      case when is_in_day then (started_at / ${day} + 1) * ${day} else ended_at end as "end"
    from cut group by 1, 2, 3, 4, 5, 6, 7, 9, 10`.execute(session);
  return rows.map((row) => ({
    ...row,
    quantity: BigInt(row.quantity),
    start: Number(row.start),
    end: Number(row.end),
  }));
}
