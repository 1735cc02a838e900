import type { Digest, Sql } from "@portolan/kernel";

type Tables = {
  "tracking.artifacts": { run_id: string; model_id: string; path: string; digest: string };
  "tracking.runs": { run_id: string; organisation_id: string };
};

/** What bytes are called as files of an organisation's runs, and of models that these logged: a file may have several names. */
export async function trackedFileNames(
  sql: Sql,
  organisationId: string,
  digests: readonly Digest[],
): Promise<{ readonly digest: string; readonly name: string }[]> {
  const rows = await sql
    .withTables<Tables>()
    .selectFrom("tracking.artifacts as a")
    .innerJoin("tracking.runs as r", "r.run_id", "a.run_id")
    .select(["a.digest", "a.run_id", "a.model_id", "a.path"])
    .where("r.organisation_id", "=", organisationId)
    .where("a.digest", "in", [...digests])
    .orderBy("a.run_id")
    .orderBy("a.path")
    .execute();
  return rows.map(({ digest, run_id: run, model_id: model, path }) => ({
    digest,
    name: model === "" ? `file ${path} of run ${run}` : `file ${path} of logged model ${model}`,
  }));
}
