import type { Environment, Sql } from "@portolan/kernel";

type Tables = {
  "features.materializations": {
    organisation_id: string;
    environment: Environment;
    use_case_id: string | null;
    view: string;
    purpose: string | null;
    state: string;
    started_at: number;
  };
};

/** What the values of a view went online for when they last did so in a place; undefined where nobody said. */
export async function purposeOnline(
  sql: Sql,
  of: {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly useCaseId: string | null;
    readonly view: string;
  },
): Promise<string | undefined> {
  const row = await sql
    .withTables<Tables>()
    .selectFrom("features.materializations")
    .select("purpose")
    .where("organisation_id", "=", of.organisationId)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.useCaseId)
    .where("view", "=", of.view)
    .where("state", "=", "done")
    .orderBy("started_at", "desc")
    .executeTakeFirst();
  return row?.purpose ?? undefined;
}
