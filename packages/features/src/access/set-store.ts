import type { Digest, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { TrainingSetManifest, TrainingSetView } from "../resources.ts";
import { tables, trainingSetOf } from "../store.ts";

/** Ready sets that are these bytes. */
export async function setsNaming(
  sql: Sql,
  organisationId: string,
  object: Digest,
): Promise<(TrainingSetView & { readonly manifest: TrainingSetManifest })[]> {
  const rows = await tables(sql)
    .selectFrom("features.training_sets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("state", "=", "ready")
    .where(raw<boolean>`manifest ->> 'object' = ${object}`)
    .execute();
  return rows.flatMap((row) => (row.manifest ? [{ ...trainingSetOf(row), manifest: row.manifest }] : []));
}
