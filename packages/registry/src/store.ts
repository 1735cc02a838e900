import type { Environment, Sql } from "@portolan/kernel";
import { type Generated, type Insertable, type JSONColumnType, type Selectable, sql } from "kysely";
import type { ComputeProfile } from "./compute-profile.ts";
import type { GateResult, Lineage, ModelSignature, ModelVersion } from "./contract.ts";

type ModelTable = {
  organisation_id: string;
  name: string;
  use_case_id: string;
  next_version: number;
  created_at: number;
};

type VersionTable = {
  id: string;
  organisation_id: string;
  model: string;
  version: number;
  use_case_id: string;
  artifact: string;
  size_bytes: number;
  bundle: string;
  signing_key_id: string;
  signed_at: number;
  signature: JSONColumnType<ModelSignature>;
  lineage: JSONColumnType<Lineage>;
  lineage_digest: string;
  created_by: string;
  created_at: number;
};

type PromotionTable = {
  id: Generated<number>;
  organisation_id: string;
  model: string;
  environment: string;
  version_id: string;
  promoted_by: string;
  promoted_at: number;
  /** What it was judged by; null for promotions of before these were kept. */
  gates: JSONColumnType<GateResult[]> | null;
  charter_id: string | null;
};

type ComputeProfileTable = {
  version_id: string;
  digest: string;
  profile: JSONColumnType<ComputeProfile>;
  bundle: string;
  signing_key_id: string;
  signed_at: number;
  measured_at: number;
};

type RegistryTables = {
  "registry.compute_profiles": ComputeProfileTable;
  "registry.models": ModelTable;
  "registry.versions": VersionTable;
  "registry.promotions": PromotionTable;
  "registry.promoted_v1": { organisation_id: string; model: string; environment: string; version_id: string };
};

export type NewVersion = Omit<Insertable<VersionTable>, "signature" | "lineage" | "version"> & {
  readonly signature: ModelSignature;
  readonly lineage: Lineage;
};

const tables = (sql: Sql) => sql.withTables<RegistryTables>();

/** Makes the model's row when it is new and locks it to the end of the transaction; resolves to its use case. */
export async function lockModel(
  sql: Sql,
  model: { organisationId: string; name: string; useCaseId: string; now: number },
): Promise<string> {
  const row = await tables(sql)
    .insertInto("registry.models")
    .values({
      organisation_id: model.organisationId,
      name: model.name,
      use_case_id: model.useCaseId,
      next_version: 1,
      created_at: model.now,
    })
    .onConflict((conflict) => conflict.columns(["organisation_id", "name"]).doUpdateSet({ name: model.name }))
    .returning("use_case_id")
    .executeTakeFirstOrThrow();
  return row.use_case_id;
}

/** The next number of a locked model: dense, because only an inserted version takes one. */
export async function takeVersionNumber(sql: Sql, organisationId: string, name: string): Promise<number> {
  const row = await tables(sql)
    .updateTable("registry.models")
    .set((eb) => ({ next_version: eb("next_version", "+", 1) }))
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name)
    .returning("next_version")
    .executeTakeFirstOrThrow();
  return row.next_version - 1;
}

export async function insertVersion(sql: Sql, row: NewVersion, version: number): Promise<ModelVersion> {
  const inserted = await tables(sql)
    .insertInto("registry.versions")
    .values({
      ...row,
      version,
      signature: JSON.stringify(row.signature),
      lineage: JSON.stringify(row.lineage),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toVersion(sql, inserted);
}

export async function findSameVersion(
  sql: Sql,
  key: { organisationId: string; model: string; artifact: string; lineageDigest: string },
): Promise<ModelVersion | undefined> {
  const row = await tables(sql)
    .selectFrom("registry.versions")
    .selectAll()
    .where("organisation_id", "=", key.organisationId)
    .where("model", "=", key.model)
    .where("artifact", "=", key.artifact)
    .where("lineage_digest", "=", key.lineageDigest)
    .executeTakeFirst();
  return row && (await toVersion(sql, row));
}

export async function findVersion(
  sql: Sql,
  organisationId: string,
  model: string,
  version: number,
): Promise<ModelVersion | undefined> {
  const row = await tables(sql)
    .selectFrom("registry.versions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("model", "=", model)
    .where("version", "=", version)
    .executeTakeFirst();
  return row && (await toVersion(sql, row));
}

/** The run that made a version; `undefined` where it was not trained here. */
export async function trainingRunOf(
  sql: Sql,
  versionId: string,
): Promise<{ readonly organisationId: string; readonly runId: string } | undefined> {
  const row = await tables(sql)
    .selectFrom("registry.versions")
    .select(["organisation_id", "lineage"])
    .where("id", "=", versionId)
    .executeTakeFirst();
  const runId = row?.lineage.trainingRunId;
  return row && runId !== undefined ? { organisationId: row.organisation_id, runId } : undefined;
}

/** Newest first. */
export async function listVersions(
  sql: Sql,
  organisationId: string,
  model?: string,
  limit = 100,
): Promise<ModelVersion[]> {
  let query = tables(sql)
    .selectFrom("registry.versions")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  if (model !== undefined) query = query.where("model", "=", model);
  const rows = await query.orderBy("created_at", "desc").orderBy("version", "desc").limit(limit).execute();
  return Promise.all(rows.map((row) => toVersion(sql, row)));
}

/** Environments that ever had exactly this version. */
export async function promotionHistory(sql: Sql, versionId: string): Promise<Environment[]> {
  const rows = await tables(sql)
    .selectFrom("registry.promotions")
    .select("environment")
    .distinct()
    .where("version_id", "=", versionId)
    .execute();
  return rows.map((row) => row.environment as Environment);
}

/** @returns its number, by which promotions are in order */
export async function insertPromotion(sql: Sql, row: Insertable<PromotionTable>): Promise<number> {
  const { id } = await tables(sql)
    .insertInto("registry.promotions")
    .values(row)
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

export async function promotedVersionId(
  sql: Sql,
  organisationId: string,
  model: string,
  environment: Environment,
): Promise<string | undefined> {
  const row = await tables(sql)
    .selectFrom("registry.promoted_v1")
    .select("version_id")
    .where("organisation_id", "=", organisationId)
    .where("model", "=", model)
    .where("environment", "=", environment)
    .executeTakeFirst();
  return row?.version_id;
}

/** The version that an environment has now. */
export async function findPromoted(
  sql: Sql,
  organisationId: string,
  model: string,
  environment: Environment,
): Promise<ModelVersion | undefined> {
  const id = await promotedVersionId(sql, organisationId, model, environment);
  if (id === undefined) return undefined;
  const row = await tables(sql)
    .selectFrom("registry.versions")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  return row && (await toVersion(sql, row));
}

/** A measured version: the same digest again changes nothing. */
export async function insertComputeProfile(
  sql: Sql,
  row: Omit<Insertable<ComputeProfileTable>, "profile"> & { readonly profile: ComputeProfile },
): Promise<void> {
  await tables(sql)
    .insertInto("registry.compute_profiles")
    .values({ ...row, profile: JSON.stringify(row.profile) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The newest one. */
export async function findComputeProfile(
  sql: Sql,
  versionId: string,
): Promise<Selectable<ComputeProfileTable> | undefined> {
  return tables(sql)
    .selectFrom("registry.compute_profiles")
    .selectAll()
    .where("version_id", "=", versionId)
    .orderBy("measured_at", "desc")
    .executeTakeFirst();
}

/** Bytes that one copy takes in memory, of those of these versions that were measured, by `model/version`. */
export async function findLoadedBytes(
  sql: Sql,
  organisationId: string,
  versions: readonly { readonly name: string; readonly version: number }[],
): Promise<Map<string, number>> {
  if (versions.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("registry.compute_profiles as p")
    .innerJoin("registry.versions as v", "v.id", "p.version_id")
    .select(["v.model", "v.version", "p.profile"])
    .distinctOn(["v.model", "v.version"])
    .where("v.organisation_id", "=", organisationId)
    .where("v.model", "in", [...new Set(versions.map(({ name }) => name))])
    .where("v.version", "in", [...new Set(versions.map(({ version }) => version))])
    .orderBy("v.model")
    .orderBy("v.version")
    .orderBy("p.measured_at", "desc")
    .execute();
  const asked = new Set(versions.map(({ name, version }) => `${name}/${version}`));
  return new Map(
    rows
      .map(({ model, version, profile }) => [`${model}/${version}`, profile.memory.loadedBytes] as const)
      .filter(([version]) => asked.has(version)),
  );
}

async function toVersion(sql: Sql, row: Selectable<VersionTable>): Promise<ModelVersion> {
  const stages = await tables(sql)
    .selectFrom("registry.promoted_v1")
    .select("environment")
    .where("version_id", "=", row.id)
    .execute();
  return {
    id: row.id,
    model: row.model,
    version: row.version,
    useCaseId: row.use_case_id,
    artifact: row.artifact,
    sizeBytes: row.size_bytes,
    bundle: row.bundle,
    signingKeyId: row.signing_key_id,
    signedAt: row.signed_at,
    signature: row.signature,
    lineage: row.lineage,
    createdBy: row.created_by,
    stages: stages.map((stage) => stage.environment as Environment),
  };
}

/** Versions that were trained on one of these training sets, by model and version. */
export async function versionsTrainedOn(
  session: Sql,
  organisationId: string,
  trainingSetIds: readonly string[],
): Promise<ModelVersion[]> {
  if (trainingSetIds.length === 0) return [];
  const rows = await tables(session)
    .selectFrom("registry.versions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where(sql<string>`lineage ->> 'trainingSetId'`, "in", [...trainingSetIds])
    .orderBy("model")
    .orderBy("version")
    .execute();
  return Promise.all(rows.map((row) => toVersion(session, row)));
}
