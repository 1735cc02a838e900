import type { Sql } from "@portolan/kernel";

type BackgroundTable = {
  organisation_id: string;
  version_id: string;
  artifact: string;
  digest: string;
  training_set_id: string;
  created_by: string;
  created_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "evaluation.explanation_backgrounds": BackgroundTable }>();

/** Makes this the newest of its version, also when it was that before another one. */
export async function insertBackground(sql: Sql, row: BackgroundTable): Promise<void> {
  const { training_set_id, created_by, created_at } = row;
  await tables(sql)
    .insertInto("evaluation.explanation_backgrounds")
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(["organisation_id", "version_id", "digest"])
        .doUpdateSet({ training_set_id, created_by, created_at }),
    )
    .execute();
}

/** The newest of the versions that have these bytes. */
export async function findBackground(
  sql: Sql,
  organisationId: string,
  artifact: string,
): Promise<{ readonly digest: string; readonly trainingSetId: string } | undefined> {
  const row = await tables(sql)
    .selectFrom("evaluation.explanation_backgrounds")
    .select(["digest", "training_set_id"])
    .where("organisation_id", "=", organisationId)
    .where("artifact", "=", artifact)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  return row && { digest: row.digest, trainingSetId: row.training_set_id };
}
