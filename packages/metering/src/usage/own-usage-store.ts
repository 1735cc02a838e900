import type { Sql } from "@portolan/kernel";
import { type RawBuilder, sql } from "kysely";
import { dayMicros } from "./daily-usage.ts";

/** What one of control's own tables says was used; a tenant by its use case. */
export interface OwnUsage {
  readonly id: string;
  readonly meter: string;
  readonly useCaseId: string;
  readonly environment: string;
  readonly model: string;
  readonly resource: string;
  readonly quantity: bigint;
  readonly start: number;
  readonly end: number;
}

interface OwnRow extends Omit<OwnUsage, "quantity"> {
  readonly quantity: string;
}

export type OwnSource = "training" | "scoring" | "people" | "orchestration";
export const ownSources: readonly OwnSource[] = ["training", "scoring", "people", "orchestration"];

/** Jobs whose time is that of what they do, and counted there. */
const countedElsewhere = ["training.run", "scoring.run"];
/** What people agree to. */
const approvals = [
  "charter.version.signed",
  "registry.version.promoted",
  "rollout.release.approved",
  "rollout.flag.change_approved",
  "retraining.run.approved",
];

function selectOf(
  source: OwnSource,
  organisationId: string,
  since: number,
  until: number,
): RawBuilder<OwnRow> {
  const within = (column: RawBuilder<unknown>) =>
    sql`${column} >= ${since}::bigint and ${column} < ${until}::bigint`;
  switch (source) {
    case "training":
      // The first of them has the id that it had when there was no other. A run counts once, when its first attempt ends.
      return sql<OwnRow>`select run_id || '/' || attempt || u.suffix as id, run_id || '/' || attempt as meter, coalesce(use_case_id, '') as "useCaseId", environment,
        '' as model, u.resource, u.quantity::text as quantity,
        case when u.resource = 'training_runs' then greatest(ended_at, started_at) else started_at end as start, greatest(ended_at, started_at) as "end"
        from training.attempts_v1
        cross join lateral (values ('', 'training_hours', greatest(ended_at - started_at, 0)), ('/cpu_hours', 'cpu_hours', cpu_micros),
          ('/training_runs', 'training_runs', case when attempt = 1 then 1 end)) as u (suffix, resource, quantity)
        where organisation_id = ${organisationId} and u.quantity is not null and ${within(sql`ended_at`)}`;
    case "scoring":
      return sql<OwnRow>`select run_id || '/' || chunk || '/' || u.resource as id, run_id as meter, use_case_id as "useCaseId", environment, coalesce(model, '') as model,
        u.resource, u.quantity::text as quantity, scored_at as start, scored_at as "end" from scoring.chunks_v1
        cross join lateral (values ('cpu_hours', cpu_micros), ('scored_rows', rows * 840000000), ('scoring_read_gb', bytes_in),
          ('scoring_written_gb', bytes_out), ('scored_rows_without_bytes', case when bytes_in is null then rows * 840000000 end)) as u (resource, quantity)
        where organisation_id = ${organisationId} and u.quantity > 0 and ${within(sql`scored_at`)}`;
    case "people":
      return sql<OwnRow>`select review_id || '/' || person || '/' || u.resource as id, review_id || '/' || person as meter, use_case_id as "useCaseId", environment,
        model, u.resource, u.quantity::text as quantity, claimed_at as start, greatest(concluded_at, claimed_at) as "end" from oversight.concluded_v1
        cross join lateral (values ('reviews', 1::bigint), ('review_hours', greatest(concluded_at - claimed_at, 0))) as u (resource, quantity)
        where organisation_id = ${organisationId} and ${within(sql`concluded_at`)}
      union all
      select 'approval/' || e.position, e.event, coalesce(v.use_case_id, ''), '', coalesce(v.model, ''), 'approvals', '1', e.at, e.at
        from ledger.events_v1 e left join registry.version_sizes_v1 v on v.id = e.subject and v.organisation_id = e.organisation_id
        where e.organisation_id = ${organisationId} and e.event = any(${approvals}::text[]) and ${within(sql`e.at`)}`;
    case "orchestration":
      return sql<OwnRow>`select id, id as meter, coalesce(use_case_id, '') as "useCaseId", coalesce(environment, '') as environment, '' as model,
        'orchestration_hours' as resource, greatest(finished_at - started_at, 0)::text as quantity, started_at as start, greatest(finished_at, started_at) as "end"
        from database.job_times_v1 where organisation_id = ${organisationId} and not queue = any(${countedElsewhere}::text[]) and ${within(sql`finished_at`)}`;
  }
}

/** What ended in a stretch of time. */
export async function readOwnUsage(
  session: Sql,
  source: OwnSource,
  organisationId: string,
  { since, until }: { readonly since: number; readonly until: number },
): Promise<OwnUsage[]> {
  const { rows } = await selectOf(source, organisationId, since, until).execute(session);
  return rows.map((row) => ({
    ...row,
    quantity: BigInt(row.quantity),
    start: Number(row.start),
    end: Number(row.end),
  }));
}

/** Bytes of datasets and model versions for the time that they lay there in a day of UTC, by use case and environment; versions are of none. */
export async function readStoredBytes(
  session: Sql,
  organisationId: string,
  day: number,
): Promise<OwnUsage[]> {
  const end = day + dayMicros;
  const lay = (from: RawBuilder<unknown>, to: RawBuilder<unknown>) =>
    sql`sum(size_bytes::numeric * (least(${to}, ${end}::bigint) - greatest(${from}, ${day}::bigint)))`;
  const { rows } = await sql<{ useCaseId: string; environment: string; model: string; quantity: string }>`
    select "useCaseId", environment, model, div(byte_micros, 1000000)::text as quantity from (
      select coalesce(use_case_id, '') as "useCaseId", environment, '' as model, ${lay(sql`published_at`, sql`coalesce(expired_at, ${end}::bigint)`)} as byte_micros
        from data.dataset_sizes_v1 where organisation_id = ${organisationId} and published_at < ${end}::bigint and coalesce(expired_at, ${end}::bigint) > ${day}::bigint
        group by 1, 2, 3
      union all
      select use_case_id, '', model, ${lay(sql`created_at`, sql`${end}::bigint`)}
        from registry.version_sizes_v1 where organisation_id = ${organisationId} and created_at < ${end}::bigint group by 1, 2, 3) as stored
    where byte_micros >= 1000000`.execute(session);
  return rows.map(({ quantity, ...row }) => {
    const meter = [row.useCaseId, row.environment, row.model].map(encodeURIComponent).join("/");
    return {
      ...row,
      id: `${meter}/${day}`,
      meter,
      resource: "storage_gb_months",
      quantity: BigInt(quantity),
      start: day,
      end,
    };
  });
}

export async function collectedUpTo(
  session: Sql,
  organisationId: string,
  source: string,
): Promise<number | undefined> {
  const { rows } = await sql<{ up_to: number }>`select up_to from metering.collected
    where organisation_id = ${organisationId} and source = ${source}`.execute(session);
  return rows[0] && Number(rows[0].up_to);
}

export async function setCollected(
  session: Sql,
  organisationId: string,
  source: string,
  upTo: number,
): Promise<void> {
  await sql`insert into metering.collected (organisation_id, source, up_to) values (${organisationId}, ${source}, ${upTo})
    on conflict (organisation_id, source) do update set up_to = excluded.up_to`.execute(session);
}

/** Forgets what was read of a source, so that all of it is read again. */
export async function forgetCollected(session: Sql, organisationId: string, source: string): Promise<void> {
  await sql`delete from metering.usage where organisation_id = ${organisationId} and source = ${source}`.execute(
    session,
  );
  await sql`delete from metering.collected where organisation_id = ${organisationId} and source = ${source}`.execute(
    session,
  );
}

/** When the organisation's first bytes were there; undefined without any. */
export async function firstStored(session: Sql, organisationId: string): Promise<number | undefined> {
  const { rows } = await sql<{ first: number | null }>`select least(
      (select min(published_at) from data.dataset_sizes_v1 where organisation_id = ${organisationId}),
      (select min(created_at) from registry.version_sizes_v1 where organisation_id = ${organisationId})) as first`.execute(
    session,
  );
  const first = rows[0]?.first ?? undefined;
  return first === undefined ? undefined : Number(first);
}
