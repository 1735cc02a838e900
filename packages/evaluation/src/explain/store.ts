import { type Environment, environments, type Sql } from "@portolan/kernel";

type BackgroundTable = {
  organisation_id: string;
  version_id: string;
  model: string;
  version: number;
  artifact: string;
  digest: string;
  training_set_id: string;
  environment: Environment;
  rows: number;
  created_by: string;
  created_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "evaluation.explanation_backgrounds": BackgroundTable }>();

/** Makes this the newest of its version, also when it was that before another one. */
export async function insertBackground(sql: Sql, row: BackgroundTable): Promise<void> {
  const { training_set_id, environment, created_by, created_at } = row;
  await tables(sql)
    .insertInto("evaluation.explanation_backgrounds")
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(["organisation_id", "version_id", "digest"])
        .doUpdateSet({ training_set_id, environment, created_by, created_at }),
    )
    .execute();
}

export interface FoundBackground {
  readonly digest: string;
  readonly trainingSetId: string;
  readonly rows: number;
}

/** The newest of a version, made of rows of the prediction's environment or a later one: what anybody makes in dev explains nothing in production. */
export async function findBackground(
  sql: Sql,
  organisationId: string,
  of: {
    readonly model: string;
    readonly version: string;
    readonly artifact: string;
    readonly environment: Environment;
  },
): Promise<FoundBackground | undefined> {
  // A version of elsewhere may have another name than a number.
  if (!/^\d{1,15}$/.test(of.version)) return undefined;
  const row = await tables(sql)
    .selectFrom("evaluation.explanation_backgrounds")
    .select(["digest", "training_set_id", "rows"])
    .where("organisation_id", "=", organisationId)
    .where("model", "=", of.model)
    .where("version", "=", Number(of.version))
    .where("artifact", "=", of.artifact)
    .where("environment", "in", environments.slice(environments.indexOf(of.environment)))
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  return row && { digest: row.digest, trainingSetId: row.training_set_id, rows: row.rows };
}
