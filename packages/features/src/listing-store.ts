import type { Sql } from "@portolan/kernel";
import type { TrainingSetView } from "./resources.ts";
import { type StoredView, tables, trainingSetOf } from "./store.ts";

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
): Promise<TrainingSetView[]> {
  const query = tables(sql)
    .selectFrom("features.training_sets")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  // Ids grow with time.
  const rows = await (before === undefined ? query : query.where("id", "<", before))
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(trainingSetOf);
}
