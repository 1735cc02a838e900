import type { Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { DataClass } from "../data-class.ts";
import type { DatasetManifest } from "../resources.ts";

type DatasetTable = {
  id: string;
  organisation_id: string;
  contract: string;
  contract_digest: string;
  environment: string;
  use_case_id: string | null;
  object: string;
  size_bytes: number;
  source_digest: string;
  row_count: number;
  columns: JSONColumnType<DatasetManifest["columns"]>;
  event_time: string | null;
  min_event_time: number | null;
  max_event_time: number | null;
  ingestion_id: string;
  published_at: number;
  batch_at: number;
  data_class: DataClass | null;
  expired_at: number | null;
};

const tables = (sql: Sql) => sql.withTables<{ "data.datasets": DatasetTable }>();

export async function insertDataset(
  sql: Sql,
  organisationId: string,
  manifest: DatasetManifest,
): Promise<void> {
  await tables(sql)
    .insertInto("data.datasets")
    .values({
      id: manifest.id,
      organisation_id: organisationId,
      contract: manifest.contract,
      contract_digest: manifest.contractDigest,
      environment: manifest.environment,
      use_case_id: manifest.useCaseId ?? null,
      object: manifest.object,
      size_bytes: manifest.sizeBytes,
      source_digest: manifest.sourceDigest,
      row_count: manifest.rowCount,
      columns: JSON.stringify(manifest.columns),
      event_time: manifest.eventTime ?? null,
      min_event_time: manifest.minEventTime ?? null,
      max_event_time: manifest.maxEventTime ?? null,
      ingestion_id: manifest.ingestionId,
      published_at: manifest.publishedAt,
      batch_at: manifest.batchAt,
      data_class: manifest.dataClass ?? null,
      expired_at: null,
    })
    .execute();
}

export async function listDatasets(
  sql: Sql,
  organisationId: string,
  filter: { contract?: string; id?: string },
): Promise<DatasetManifest[]> {
  let query = tables(sql)
    .selectFrom("data.datasets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("expired_at", "is", null);
  if (filter.contract !== undefined) query = query.where("contract", "=", filter.contract);
  if (filter.id !== undefined) query = query.where("id", "=", filter.id);
  const rows = await query.orderBy("published_at", "desc").orderBy("id", "desc").limit(200).execute();
  return rows.map(datasetOf);
}

/** The id of the dataset that a contract has in exactly this place now, as training sets and materializations take it; for a comparison. */
export function newestDataset(
  sql: Sql,
  of: { organisationId: string; contract: string; environment: string; useCaseId?: string },
) {
  return tables(sql)
    .selectFrom("data.datasets")
    .select("id")
    .where("organisation_id", "=", of.organisationId)
    .where("contract", "=", of.contract)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.useCaseId ?? null)
    .where("expired_at", "is", null)
    .orderBy("batch_at", "desc")
    .orderBy("published_at", "desc")
    .orderBy("id", "desc")
    .limit(1);
}

/**
 * The dataset that work at a place looks foreign keys up in: the newest of its use case, else the newest of the environment that is no use case's;
 * with `moment` (epoch microseconds) only of those that were published by then.
 */
export async function newestCounterpart(
  sql: Sql,
  organisationId: string,
  of: { contract: string; environment: string; useCaseId?: string; moment: number | undefined },
): Promise<DatasetManifest | undefined> {
  const { contract, environment, useCaseId = null, moment } = of;
  let query = tables(sql)
    .selectFrom("data.datasets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("contract", "=", contract)
    .where("environment", "=", environment)
    .where((where) => where.or([where("use_case_id", "is", null), where("use_case_id", "=", useCaseId)]))
    .where("expired_at", "is", null);
  if (moment !== undefined) query = query.where("published_at", "<=", moment);
  const row = await query
    .orderBy("use_case_id", (order) => order.asc().nullsLast())
    .orderBy("batch_at", "desc")
    .orderBy("published_at", "desc")
    .orderBy("id", "desc")
    .executeTakeFirst();
  return row && datasetOf(row);
}

function datasetOf(row: Selectable<DatasetTable>): DatasetManifest {
  return {
    id: row.id,
    contract: row.contract,
    contractDigest: row.contract_digest,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    object: row.object,
    sizeBytes: row.size_bytes,
    sourceDigest: row.source_digest,
    rowCount: row.row_count,
    columns: row.columns,
    ...(row.event_time === null ? {} : { eventTime: row.event_time }),
    ...(row.min_event_time === null ? {} : { minEventTime: row.min_event_time }),
    ...(row.max_event_time === null ? {} : { maxEventTime: row.max_event_time }),
    ingestionId: row.ingestion_id,
    publishedAt: row.published_at,
    batchAt: row.batch_at,
    ...(row.data_class === null ? {} : { dataClass: row.data_class }),
  };
}
