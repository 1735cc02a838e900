import type { Sql } from "@portolan/kernel";
import { sql as text } from "kysely";

/** One contract in one place: its newest batches, and what all of them cost. Times are epoch microseconds. */
export interface ContractHealth {
  readonly organisationId: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId: string | null;
  readonly ingestions: Readonly<Record<string, number>>;
  /** Newest event of anything that was published. */
  readonly newestEvent: number | null;
  readonly newestPublication: number | null;
  /** What judging took, milliseconds: batches as they came, and batches judged again. */
  readonly processingMs: number;
  readonly reprocessingMs: number;
  readonly reprocessedRows: number;
  /** The newest batches that were judged, newest first, two at most. */
  readonly batches: readonly JudgedBatch[];
}

export interface JudgedBatch {
  readonly counts: {
    readonly accepted: number;
    readonly quarantined: number;
    readonly deadLetters: number;
  } | null;
  readonly nulls: Readonly<Record<string, number>> | null;
  readonly drift: {
    readonly added: readonly string[];
    readonly missing: readonly string[];
    readonly changed: readonly unknown[];
  } | null;
}

/** Sums and 64-bit integers come as text from one driver and as numbers from the other. */
interface HealthRow {
  organisation_id: string;
  contract: string;
  environment: string;
  use_case_id: string | null;
  ingestions: Record<string, number>;
  newest_event: string | number | null;
  newest_publication: string | number | null;
  processing_ms: string | number;
  reprocessing_ms: string | number;
  reprocessed_rows: string | number;
  batches: JudgedBatch[] | null;
}

/**
 * Every contract that anything was ingested under since `since` (epoch microseconds; ever, where it is absent), up to `limit` places: figures of
 * operation over that time, and no row of data. Gives up after five seconds.
 */
export async function contractHealth(
  sql: Sql,
  limit: number,
  filter: { readonly organisationId?: string; readonly contract?: string; readonly since?: number } = {},
): Promise<ContractHealth[]> {
  await text`select set_config('statement_timeout', '5000', true)`.execute(sql);
  const { rows } = await text<HealthRow>`
    with places as (
      select organisation_id, contract, environment, use_case_id,
        count(*) filter (where state = 'published') as published,
        count(*) filter (where state = 'refused') as refused,
        count(*) filter (where state = 'failed') as failed,
        max(max_event_time) filter (where state = 'published') as newest_event,
        max(finished_at) filter (where state = 'published') as newest_publication,
        coalesce(sum(elapsed_ms) filter (where replay_of is null), 0) as processing_ms,
        coalesce(sum(elapsed_ms) filter (where replay_of is not null), 0) as reprocessing_ms,
        coalesce(sum((counts ->> 'accepted')::bigint + (counts ->> 'quarantined')::bigint)
          filter (where replay_of is not null and elapsed_ms is not null), 0) as reprocessed_rows
      from data.ingestions
      where (${filter.organisationId ?? null}::text is null or organisation_id = ${filter.organisationId ?? null}::text)
        and (${filter.contract ?? null}::text is null or contract = ${filter.contract ?? null}::text)
        and started_at >= ${filter.since ?? 0}::bigint
      group by organisation_id, contract, environment, use_case_id
      order by organisation_id, contract, environment, use_case_id
      limit ${limit}
    )
    select places.organisation_id, places.contract, places.environment, places.use_case_id,
      json_build_object('published', published, 'refused', refused, 'failed', failed) as ingestions,
      newest_event, newest_publication, processing_ms, reprocessing_ms, reprocessed_rows, last.batches
    from places, lateral (
      select json_agg(json_build_object('counts', counts, 'nulls', nulls, 'drift', drift) order by started_at desc) as batches
      from (
        select counts, nulls, drift, started_at from data.ingestions as i
        where i.organisation_id = places.organisation_id and i.contract = places.contract
          and i.environment = places.environment and i.use_case_id is not distinct from places.use_case_id
          and i.drift is not null and i.replay_of is null
        order by started_at desc limit 2
      ) as newest
    ) as last`.execute(sql);
  return rows.map(healthOf);
}

function healthOf(row: HealthRow): ContractHealth {
  return {
    organisationId: row.organisation_id,
    contract: row.contract,
    environment: row.environment,
    useCaseId: row.use_case_id,
    ingestions: row.ingestions,
    newestEvent: row.newest_event === null ? null : Number(row.newest_event),
    newestPublication: row.newest_publication === null ? null : Number(row.newest_publication),
    processingMs: Number(row.processing_ms),
    reprocessingMs: Number(row.reprocessing_ms),
    reprocessedRows: Number(row.reprocessed_rows),
    batches: row.batches ?? [],
  };
}
