import { type Environment, type EnvironmentPlace, placeOf, type Sql } from "@portolan/kernel";

type ReferenceTable = {
  organisation_id: string;
  digest: string;
  environment: Environment;
  team_id: string | null;
  use_case_id: string | null;
  kind: string;
  noted_by: string;
  noted_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "registry.artifact_references": ReferenceTable }>();

/** Adds references; those that are there already stay as they are. */
export async function insertReferences(sql: Sql, rows: readonly ReferenceTable[]): Promise<void> {
  if (rows.length === 0) return;
  await tables(sql)
    .insertInto("registry.artifact_references")
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The places where an organisation holds these bytes; of other organisations nothing is read. */
export async function listHoldings(
  sql: Sql,
  organisationId: string,
  digest: string,
): Promise<EnvironmentPlace[]> {
  const rows = await tables(sql)
    .selectFrom("registry.artifact_references")
    .select(["environment", "team_id", "use_case_id"])
    .distinct()
    .where("organisation_id", "=", organisationId)
    .where("digest", "=", digest)
    .execute();
  return rows.map((row) => ({ environment: row.environment, ...placeOf(row) }));
}
