import type { Environment, Sql } from "@portolan/kernel";
import { sql } from "kysely";

/** What archives hold of a use case in an environment; an archive of several is shared out by their records. */
export interface ArchivedBytes {
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly bytes: number;
  readonly records: number;
  /** Epoch microseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Payloads that have expired are gone, and so count for nothing. */
export async function archivedBytes(session: Sql, organisationId: string): Promise<readonly ArchivedBytes[]> {
  const { rows } = await sql<{
    environment: Environment;
    use_case_id: string;
    bytes: string;
    records: string;
    first_at: string;
    last_at: string;
  }>`
    select c.environment, c.use_case_id, sum(a.bytes::double precision * c.record_count / greatest(a.record_count, 1)) as bytes,
      sum(c.record_count) as records, min(c.first_at) as first_at, max(c.last_at) as last_at
    from predictions.archive_contents as c join predictions.archives as a on a.id = c.archive_id
    where c.organisation_id = ${organisationId} and c.expired_at is null
    group by 1, 2 order by 1, 2`.execute(session);
  return rows.map((row) => ({
    environment: row.environment,
    useCaseId: row.use_case_id,
    bytes: Math.round(Number(row.bytes)),
    records: Number(row.records),
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
  }));
}
