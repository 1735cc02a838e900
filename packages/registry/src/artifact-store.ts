import {
  type ArtifactKind,
  type Digest,
  type Environment,
  type EnvironmentPlace,
  type EpochMicros,
  type HeldBytes,
  placeOf,
  type Sql,
} from "@portolan/kernel";

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

type RemovedTable = { digest: string; state: "leaving" | "gone"; changed_at: number };

const tables = (sql: Sql) =>
  sql.withTables<{
    "registry.artifact_references": ReferenceTable;
    "registry.removed_bytes": RemovedTable;
  }>();

/** Adds references; those that are there already stay as they are. An upload is each uploader's own. */
export async function insertReferences(sql: Sql, rows: readonly ReferenceTable[]): Promise<void> {
  if (rows.length === 0) return;
  await tables(sql)
    .insertInto("registry.artifact_references")
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** A place that holds bytes, and as what. */
export interface Holding {
  readonly place: EnvironmentPlace;
  readonly kind: ArtifactKind;
  readonly notedBy: string;
}

/** Where an organisation holds these bytes; of other organisations nothing is read. */
export async function listHoldings(sql: Sql, organisationId: string, digest: string): Promise<Holding[]> {
  const rows = await tables(sql)
    .selectFrom("registry.artifact_references")
    .select(["environment", "team_id", "use_case_id", "kind", "noted_by"])
    .where("organisation_id", "=", organisationId)
    .where("digest", "=", digest)
    .orderBy("noted_at")
    .execute();
  return rows.map((row) => ({
    place: { environment: row.environment, ...placeOf(row) },
    kind: row.kind as ArtifactKind,
    notedBy: row.noted_by,
  }));
}

/** What an organisation holds in these environments. */
export async function listHeld(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<HeldBytes[]> {
  const rows = await tables(sql)
    .selectFrom("registry.artifact_references")
    .select(["digest", "kind", "environment"])
    .distinct()
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", [...environments])
    .orderBy("digest")
    .execute();
  return rows.map((row) => ({ ...row, digest: row.digest as Digest, kind: row.kind as ArtifactKind }));
}

/** References of an organisation to these bytes in these environments. */
export function referencesTo(
  sql: Sql,
  organisationId: string,
  digest: string,
  environments: readonly Environment[],
): Promise<ReferenceTable[]> {
  return tables(sql)
    .selectFrom("registry.artifact_references")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("digest", "=", digest)
    .where("environment", "in", [...environments])
    .execute();
}

export async function deleteReferences(
  sql: Sql,
  organisationId: string,
  digest: string,
  environments: readonly Environment[],
  kinds?: readonly ArtifactKind[],
): Promise<void> {
  let query = tables(sql)
    .deleteFrom("registry.artifact_references")
    .where("organisation_id", "=", organisationId)
    .where("digest", "=", digest)
    .where("environment", "in", [...environments]);
  if (kinds !== undefined) query = query.where("kind", "in", [...kinds]);
  await query.execute();
}

/** Whether anybody holds the bytes, in whatever organisation. */
export async function isReferenced(sql: Sql, digest: string): Promise<boolean> {
  const row = await tables(sql)
    .selectFrom("registry.artifact_references")
    .select("digest")
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row !== undefined;
}

/** Notes what becomes of the file of bytes that nobody holds. */
export async function markRemoved(sql: Sql, row: RemovedTable): Promise<void> {
  await tables(sql)
    .insertInto("registry.removed_bytes")
    .values(row)
    .onConflict((conflict) =>
      conflict.column("digest").doUpdateSet({ state: row.state, changed_at: row.changed_at }),
    )
    .execute();
}

/** Those of the digests whose file went, or is about to. */
export async function removedAmong(
  sql: Sql,
  digests: readonly string[],
): Promise<Pick<RemovedTable, "digest" | "state">[]> {
  if (digests.length === 0) return [];
  return tables(sql)
    .selectFrom("registry.removed_bytes")
    .select(["digest", "state"])
    .where("digest", "in", [...digests])
    .execute();
}

/** Whether the file of these bytes is about to go; then nobody else takes it away before the transaction ends. */
export async function lockLeaving(sql: Sql, digest: string): Promise<boolean> {
  const row = await tables(sql)
    .selectFrom("registry.removed_bytes")
    .select("digest")
    .where("digest", "=", digest)
    .where("state", "=", "leaving")
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** Bytes whose file has been about to go since before that moment. */
export async function leavingSince(sql: Sql, before: EpochMicros): Promise<Digest[]> {
  const rows = await tables(sql)
    .selectFrom("registry.removed_bytes")
    .select("digest")
    .where("state", "=", "leaving")
    .where("changed_at", "<", before)
    .orderBy("digest")
    .execute();
  return rows.map(({ digest }) => digest as Digest);
}
