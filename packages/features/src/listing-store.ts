import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { TrainingSetSummary } from "./resources.ts";
import { type StoredView, tables } from "./store.ts";

/** The newest version of each view, by name. */
export async function newestViews(
  sql: Sql,
  organisationId: string,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<StoredView[]> {
  const query = tables(sql)
    .selectFrom("features.views")
    .distinctOn("name")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  return (after === undefined ? query : query.where("name", ">", after))
    .orderBy("name")
    .orderBy("version", "desc")
    .limit(limit)
    .execute();
}

/** Newest first. */
export async function newestTrainingSets(
  sql: Sql,
  organisationId: string,
  { before, limit }: { readonly before?: string; readonly limit: number },
): Promise<TrainingSetSummary[]> {
  const query = tables(sql)
    .selectFrom("features.training_sets")
    .select(["id", "environment", "state", "failure", "started_by", "started_at", "finished_at"])
    .select([
      raw<string>`coalesce(request ->> 'name', '')`.as("name"),
      raw<string>`coalesce(request ->> 'contract', '')`.as("contract"),
      raw<string | null>`request ->> 'useCaseId'`.as("use_case_id"),
      raw<number | null>`(manifest ->> 'rowsAfter')::bigint`.as("rows"),
    ])
    .where("organisation_id", "=", organisationId);
  // Ids grow with time.
  const found = await (before === undefined ? query : query.where("id", "<", before))
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return found.map((row) => ({
    id: row.id,
    name: row.name,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    contract: row.contract,
    state: row.state,
    ...(row.rows === null ? {} : { rows: row.rows }),
    ...(row.failure === null ? {} : { failure: row.failure }),
    startedBy: row.started_by,
    startedAt: row.started_at,
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  }));
}
