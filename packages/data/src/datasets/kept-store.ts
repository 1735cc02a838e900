import type { Environment, Sql } from "@portolan/kernel";
import { sql } from "kysely";

/** Snapshots of one source that are kept as several objects, the newest first: that is what whoever asks for the latest reads. */
export interface SameSource {
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly sourceDigest: string;
  readonly copies: readonly SourceCopy[];
}

/** One object, by the newest snapshot that it is; `also` are the others: only with all of them its bytes go. */
interface SourceCopy {
  readonly id: string;
  readonly also: readonly string[];
  readonly contract: string;
  readonly bytes: number;
}

/** Of a use case, or of none, in an environment; bytes that are one object are kept once, whoever names them. */
export async function sameSources(session: Sql, organisationId: string): Promise<readonly SameSource[]> {
  const newestFirst = sql`order by published_at desc, id desc`;
  const { rows } = await sql<{
    environment: Environment;
    use_case_id: string | null;
    source_digest: string;
    copies: SourceCopy[];
  }>`
    select environment, use_case_id, source_digest,
      jsonb_agg(jsonb_build_object('id', ids[1], 'also', ids[2:], 'contract', contract, 'bytes', bytes) order by newest desc, ids[1] desc) as copies
    from (
      select environment, use_case_id, source_digest, object, array_agg(id ${newestFirst}) as ids, (array_agg(contract ${newestFirst}))[1] as contract,
        max(size_bytes) as bytes, max(published_at) as newest
      from data.datasets
      where organisation_id = ${organisationId} and expired_at is null
      group by environment, use_case_id, source_digest, object
    ) as kept
    group by 1, 2, 3 having count(*) > 1 order by 1, 2, 3`.execute(session);
  return rows.map(({ environment, use_case_id: useCaseId, source_digest: sourceDigest, copies }) => ({
    environment,
    ...(useCaseId === null ? {} : { useCaseId }),
    sourceDigest,
    copies: copies.map(({ id, also, contract, bytes }) => ({ id, also, contract, bytes })),
  }));
}

/** Data of a contract whose newest version says nothing of how long it is kept. */
export interface KeptForGood {
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly contract: string;
  readonly snapshots: number;
  readonly bytes: number;
  /** Epoch microseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export async function keptForGood(session: Sql, organisationId: string): Promise<readonly KeptForGood[]> {
  const { rows } = await sql<{
    environment: Environment;
    use_case_id: string | null;
    contract: string;
    snapshots: string;
    bytes: string;
    first_at: string;
    last_at: string;
  }>`
    with newest as (
      select distinct on (name) name, body from data.contracts
      where organisation_id = ${organisationId} order by name, published_at desc, id desc
    )
    select d.environment, d.use_case_id, d.contract, count(*) as snapshots, sum(d.size_bytes) as bytes,
      min(d.published_at) as first_at, max(d.published_at) as last_at
    from data.datasets as d join newest as n on n.name = d.contract
    where d.organisation_id = ${organisationId} and d.expired_at is null
      and n.body ->> 'retentionMs' is null
    group by 1, 2, 3 order by 1, 2, 3`.execute(session);
  return rows.map((row) => ({
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    contract: row.contract,
    snapshots: Number(row.snapshots),
    bytes: Number(row.bytes),
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
  }));
}
