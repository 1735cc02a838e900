import type { Environment, Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { StageMinute } from "./count-stages.ts";

/** Adds them to what is counted. */
export async function addStages(
  session: Sql,
  organisationId: string,
  minutes: readonly StageMinute[],
): Promise<void> {
  for (const { environment, endpoint, minute, stage, counts } of minutes)
    await sql`insert into monitoring.stage_counts as c (organisation_id, environment, endpoint, minute, stage, counts)
      values (${organisationId}, ${environment}, ${endpoint}, ${minute}, ${stage}, ${`{${counts.join(",")}}`}::bigint[])
      on conflict (organisation_id, environment, endpoint, minute, stage) do update
      set counts = array(select a + b from unnest(c.counts, excluded.counts) with ordinality as cell (a, b, at) order by at)`.execute(
      session,
    );
}

/** Whose timeline it is, and of when; the end is exclusive. */
export interface TimelineFilter {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly endpoint: string;
  /** Epoch microseconds. */
  readonly from: number;
  readonly to: number;
}

/** Times of parts of requests by minute, the oldest first. */
export async function stagesWithin(
  session: Sql,
  { organisationId, environment, endpoint, from, to }: TimelineFilter,
): Promise<{ readonly stage: string; readonly start: number; readonly counts: number[] }[]> {
  const { rows } = await sql<{ stage: string; minute: number; counts: string }>`
    select stage, minute, array_to_string(counts, ',') as counts from monitoring.stage_counts
    where organisation_id = ${organisationId} and environment = ${environment} and endpoint = ${endpoint}
      and minute >= ${from} and minute < ${to} order by minute`.execute(session);
  return rows.map(({ stage, minute, counts }) => ({
    stage,
    start: Number(minute),
    counts: counts.split(",").map(Number),
  }));
}

/** Rows of the ledger that name the endpoint, and what its gateways' logs began with. */
export async function eventsWithin(
  session: Sql,
  { organisationId, environment, endpoint, from, to }: TimelineFilter,
): Promise<{ readonly event: string; readonly at: number; readonly about: string | null }[]> {
  const { rows } = await sql<{ event: string; at: number; about: string | null }>`
    select event, at, coalesce(detail ->> 'candidate', detail ->> 'model', detail ->> 'reason') as about
    from ledger.events_v1
    where organisation_id = ${organisationId} and at >= ${from} and at < ${to}
      and (event like 'rollout.release.%' or event like 'serving.endpoint.%' or event like 'serving.version.%')
      and detail ->> 'endpoint' = ${endpoint} and detail ->> 'environment' = ${environment}
    order by at, position`.execute(session);
  return rows.map(({ event, at, about }) => ({ event, at: Number(at), about }));
}

/** Logs that gateways of the organisation began: a gateway starts one whenever it is started. */
export async function gatewayStarts(
  session: Sql,
  { organisationId, from, to }: TimelineFilter,
): Promise<{ readonly writerId: string; readonly at: number }[]> {
  const { rows } = await sql<{ writer_id: string; at: number }>`
    select writer_id, min(counted_at) as at from monitoring.counted_blocks
    where organisation_id = ${organisationId}
    group by writer_id, epoch having min(counted_at) >= ${from} and min(counted_at) < ${to} and min(block) <= 1
    order by 2`.execute(session);
  return rows.map(({ writer_id: writerId, at }) => ({ writerId, at: Number(at) }));
}

/** Forgets what no timeline looks at any more. */
export async function pruneStages(session: Sql, before: number): Promise<void> {
  await sql`delete from monitoring.stage_counts where minute < ${before}`.execute(session);
}
