import type { Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";

/** A key and a value, as MLflow's clients set them. */
export interface Tag {
  readonly key: string;
  readonly value: string;
}

type ModelTable = {
  organisation_id: string;
  name: string;
  /** Null until the first version says it. */
  use_case_id: string | null;
  next_version: number;
  created_at: number;
  /** Null for names that came with their first version. */
  created_by: string | null;
  description: string;
  tags: JSONColumnType<readonly Tag[]>;
};
type NotesTable = {
  version_id: string;
  description: string;
  tags: JSONColumnType<readonly Tag[]>;
  logged_model_id: string | null;
  run_id: string | null;
  source: string | null;
  updated_at: number;
};
type AliasTable = {
  organisation_id: string;
  model: string;
  alias: string;
  version: number;
  set_by: string;
  set_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "registry.models": ModelTable;
    "registry.version_notes": NotesTable;
    "registry.aliases": AliasTable;
  }>();

export type ModelRow = Selectable<ModelTable>;
export type NotesRow = Selectable<NotesTable>;

/** A name of its own, without a version yet. Resolves to whether it was free. */
export async function insertModelName(
  sql: Sql,
  row: Pick<ModelRow, "organisation_id" | "name" | "description" | "tags" | "created_at"> & {
    readonly created_by: string;
  },
): Promise<boolean> {
  const inserted = await tables(sql)
    .insertInto("registry.models")
    .values({ ...row, tags: JSON.stringify(row.tags), use_case_id: null, next_version: 1 })
    .onConflict((conflict) => conflict.doNothing())
    .returning("name")
    .executeTakeFirst();
  return inserted !== undefined;
}

/** All names of an organisation, or the one. */
export async function listModelNames(
  sql: Sql,
  organisationId: string,
  name?: string,
  forUpdate = false,
): Promise<ModelRow[]> {
  return tables(sql)
    .selectFrom("registry.models")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .$if(name !== undefined, (query) => query.where("name", "=", name ?? ""))
    .orderBy("name")
    .$if(forUpdate, (query) => query.forUpdate())
    .execute();
}

export async function setModelNotes(
  sql: Sql,
  organisationId: string,
  name: string,
  notes: { readonly description?: string; readonly tags?: readonly Tag[] },
): Promise<void> {
  await tables(sql)
    .updateTable("registry.models")
    .set({
      ...(notes.description === undefined ? { name } : { description: notes.description }),
      ...(notes.tags === undefined ? {} : { tags: JSON.stringify(notes.tags) }),
    })
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name)
    .execute();
}

/** By version id. */
export async function readVersionNotes(
  sql: Sql,
  versionIds: readonly string[],
): Promise<Map<string, NotesRow>> {
  if (versionIds.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("registry.version_notes")
    .selectAll()
    .where("version_id", "in", [...versionIds])
    .execute();
  return new Map(rows.map((row) => [row.version_id, row]));
}

export async function putVersionNotes(sql: Sql, row: NotesRow): Promise<void> {
  const content = { ...row, tags: JSON.stringify(row.tags) };
  await tables(sql)
    .insertInto("registry.version_notes")
    .values(content)
    .onConflict((conflict) => conflict.column("version_id").doUpdateSet(content))
    .execute();
}

export async function putAlias(sql: Sql, row: AliasTable): Promise<void> {
  const { version, set_by, set_at } = row;
  await tables(sql)
    .insertInto("registry.aliases")
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "model", "alias"]).doUpdateSet({ version, set_by, set_at }),
    )
    .execute();
}

export async function deleteAlias(
  sql: Sql,
  organisationId: string,
  model: string,
  alias: string,
): Promise<void> {
  await tables(sql)
    .deleteFrom("registry.aliases")
    .where("organisation_id", "=", organisationId)
    .where("model", "=", model)
    .where("alias", "=", alias)
    .execute();
}

/** Labels of all models, or of one, by alias. */
export async function listAliases(
  sql: Sql,
  organisationId: string,
  model?: string,
): Promise<Pick<AliasTable, "model" | "alias" | "version">[]> {
  return tables(sql)
    .selectFrom("registry.aliases")
    .select(["model", "alias", "version"])
    .where("organisation_id", "=", organisationId)
    .$if(model !== undefined, (query) => query.where("model", "=", model ?? ""))
    .orderBy("alias")
    .execute();
}
