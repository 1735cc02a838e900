import type { Environment, Sql } from "@portolan/kernel";
import { sql as text } from "kysely";

/** A dataset that came to be there, by its times alone. Epoch microseconds. */
export interface Publication {
  readonly contract: string;
  readonly publishedAt: number;
  readonly newestEvent: number;
}

/**
 * Datasets of a use case, and of none, that were published in a stretch of time and say when their newest event was; the oldest first, of too many the newest.
 */
export async function publicationsWithin(
  sql: Sql,
  of: {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly useCaseId: string;
    readonly from: number;
    /** Exclusive. */
    readonly to: number;
  },
  limit: number,
): Promise<Publication[]> {
  const { rows } = await text<{
    contract: string;
    published_at: string | number;
    max_event_time: string | number;
  }>`select contract, published_at, max_event_time from data.datasets
    where organisation_id = ${of.organisationId} and environment = ${of.environment}
      and (use_case_id is null or use_case_id = ${of.useCaseId})
      and published_at >= ${of.from} and published_at < ${of.to} and max_event_time is not null
    order by published_at desc, id limit ${limit}`.execute(sql);
  return rows
    .map((row) => ({
      contract: row.contract,
      publishedAt: Number(row.published_at),
      newestEvent: Number(row.max_event_time),
    }))
    .toReversed();
}
