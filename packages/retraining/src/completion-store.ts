import { type Environment, environments, type Sql } from "@portolan/kernel";
import { sql } from "kysely";

/** Which retrainings are counted; without a place those of every endpoint of every organisation, for operators' metrics. */
export interface CompletionFilter {
  readonly place?: {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly endpoint: string;
  };
  /** Began from then on, until before `to`, which is now: epoch microseconds. */
  readonly from: number;
  readonly to: number;
  readonly withinMicros: number;
}

/** Retrainings of one endpoint. */
export interface CompletedRetrainings {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly endpoint: string;
  /** Came to a verdict in time. */
  readonly good: number;
  /** Ended, or had their time. */
  readonly total: number;
}

/**
 * Retrainings that are due, and those that came to a verdict in time, whichever it was. One that failed came to none; one that was cancelled or superseded was
 * not to, and counts for nothing.
 */
export async function completedWithin(
  session: Sql,
  { place, from, to, withinMicros }: CompletionFilter,
): Promise<CompletedRetrainings[]> {
  const at = place
    ? sql`and organisation_id = ${place.organisationId} and environment = ${place.environment} and endpoint = ${place.endpoint}`
    : sql``;
  const { rows } = await sql<{
    organisation_id: string;
    environment: string;
    endpoint: string;
    good: string | number;
    total: string | number;
  }>`select organisation_id, environment, endpoint, count(*) as total,
      count(*) filter (where state <> 'failed' and ended_at - started_at <= ${withinMicros}) as good
    from retraining.retrainings
    where started_at >= ${from} and started_at < ${to} and state not in ('cancelled', 'superseded')
      and (ended_at is not null or started_at + ${withinMicros} < ${to}) ${at}
    group by 1, 2, 3`.execute(session);
  return rows.flatMap(({ organisation_id: organisationId, environment, endpoint, good, total }) => {
    const known = environments.find((one) => one === environment);
    const counts = { good: Number(good), total: Number(total) };
    return known ? [{ organisationId, environment: known, endpoint, ...counts }] : [];
  });
}
