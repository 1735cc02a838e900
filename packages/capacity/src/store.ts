import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

type QuotaTable = {
  organisation_id: string;
  version: number;
  quotas: string | null;
  cluster: string | null;
  digest: string;
  applied_by: string;
  applied_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "capacity.quotas": QuotaTable }>();

/** A version of an organisation's quotas, as it is kept. */
export interface KeptQuotas {
  readonly organisationId: string;
  readonly version: number;
  /** Null: none from this version on. */
  readonly quotas: string | null;
  readonly cluster: string | null;
  readonly digest: string;
  readonly appliedBy: string;
  readonly appliedAt: number;
}

/** Whatever changes an organisation's quotas or queue goes one after the other, until the transaction ends. */
export async function lockOrganisation(sql: Sql, organisationId: string): Promise<void> {
  await raw`select pg_advisory_xact_lock(hashtextextended(${`capacity:${organisationId}`}, 0))`.execute(sql);
}

/** The newest version. */
export async function findQuotas(sql: Sql, organisationId: string): Promise<KeptQuotas | undefined> {
  const row = await tables(sql)
    .selectFrom("capacity.quotas")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  return (
    row && {
      organisationId: row.organisation_id,
      version: row.version,
      quotas: row.quotas,
      cluster: row.cluster,
      digest: row.digest,
      appliedBy: row.applied_by,
      appliedAt: row.applied_at,
    }
  );
}

export async function insertQuotas(sql: Sql, kept: KeptQuotas): Promise<void> {
  await tables(sql)
    .insertInto("capacity.quotas")
    .values({
      organisation_id: kept.organisationId,
      version: kept.version,
      quotas: kept.quotas,
      cluster: kept.cluster,
      digest: kept.digest,
      applied_by: kept.appliedBy,
      applied_at: kept.appliedAt,
    })
    .execute();
}
