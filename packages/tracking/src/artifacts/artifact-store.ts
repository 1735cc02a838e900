import type { Digest, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

type ArtifactTable = {
  run_id: string;
  /** Empty for a file of the run itself. */
  model_id: string;
  path: string;
  digest: string;
  size_bytes: number;
  logged_by: string;
  logged_at: number;
};

/** Whose files: a run's, or those of a model that it logged. */
export interface ArtifactRoot {
  readonly runId: string;
  readonly modelId?: string;
}

export interface StoredArtifact {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly loggedBy: string;
}

const tables = (sql: Sql) => sql.withTables<{ "tracking.artifacts": ArtifactTable }>();

/** A file takes the place of one of the same name. */
export async function putArtifactRow(
  sql: Sql,
  { runId, modelId = "" }: ArtifactRoot,
  file: StoredArtifact & { readonly now: number },
): Promise<void> {
  const content = {
    digest: file.digest,
    size_bytes: file.sizeBytes,
    logged_by: file.loggedBy,
    logged_at: file.now,
  };
  await tables(sql)
    .insertInto("tracking.artifacts")
    .values({ run_id: runId, model_id: modelId, path: file.path, ...content })
    .onConflict((conflict) => conflict.columns(["run_id", "model_id", "path"]).doUpdateSet(content))
    .execute();
}

/** All files of a root, or those below a folder of it and the one of that very name, by path. */
export async function listArtifactRows(
  sql: Sql,
  { runId, modelId = "" }: ArtifactRoot,
  below = "",
): Promise<StoredArtifact[]> {
  let query = tables(sql)
    .selectFrom("tracking.artifacts")
    .selectAll()
    .where("run_id", "=", runId)
    .where("model_id", "=", modelId);
  if (below !== "")
    query = query.where((where) =>
      where.or([
        where("path", "=", below),
        where(raw<boolean>`starts_with(path, ${`${below}/`})`, "=", true),
      ]),
    );
  const rows = await query.orderBy("path").execute();
  return rows.map((row) => ({
    path: row.path,
    digest: row.digest as Digest,
    sizeBytes: row.size_bytes,
    loggedBy: row.logged_by,
  }));
}

/** Resolves to how many there were: the file of that name, and those below a folder of that name. */
export async function deleteArtifactRows(
  sql: Sql,
  { runId, modelId = "" }: ArtifactRoot,
  path: string,
): Promise<number> {
  const { numAffectedRows } = await raw`delete from tracking.artifacts
    where run_id = ${runId} and model_id = ${modelId}
      and (${path} = '' or path = ${path} or starts_with(path, ${`${path}/`}))`.execute(sql);
  return Number(numAffectedRows ?? 0n);
}

/** What all files of a run take together, those of its models too; without the one that a new file would replace. */
export async function usedByArtifacts(
  sql: Sql,
  { runId, modelId = "" }: ArtifactRoot,
  path: string,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { rows } = await raw<{ files: number; bytes: number }>`
    select count(*)::int as files, coalesce(sum(size_bytes), 0)::float8 as bytes from tracking.artifacts
    where run_id = ${runId} and not (model_id = ${modelId} and path = ${path})`.execute(sql);
  return rows[0] ?? { files: 0, bytes: 0 };
}

/** Whether a file stands where a folder would, or a folder where a file would. */
export async function isInTheWay(
  sql: Sql,
  { runId, modelId = "" }: ArtifactRoot,
  path: string,
): Promise<boolean> {
  const parts = path.split("/");
  const folders = parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"));
  const { rows } = await raw<{ path: string }>`select path from tracking.artifacts
    where run_id = ${runId} and model_id = ${modelId}
      and (path = any(${folders}::text[]) or starts_with(path, ${`${path}/`})) limit 1`.execute(sql);
  return rows.length > 0;
}
