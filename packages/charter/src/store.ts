import { digestJson, PortolanError, type Sql } from "@portolan/kernel";
import type { SourceLines } from "@portolan/yaml-source";
import { type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { CharterDocument, SigningRole } from "./document.ts";
import type { CharterStatus, CharterSummary, InForceCharter, SignatureView } from "./views.ts";

type CharterTable = {
  id: string;
  organisation_id: string;
  business_unit_id: string;
  team_id: string;
  use_case_id: string;
  use_case_name: string;
  version: number;
  digest: string;
  document: JSONColumnType<CharterDocument>;
  source: string | null;
  lines: JSONColumnType<SourceLines>;
  status: CharterStatus;
  created_at: number;
  created_by: string;
  in_force_since: number | null;
  ended_at: number | null;
};

type SignatureTable = {
  id: string;
  charter_id: string;
  role: SigningRole;
  signer_id: string;
  key_id: string;
  public_key_pem: string;
  signature_base64: string;
  signed_at: number;
};

type CharterTables = { "charter.charters": CharterTable; "charter.signatures": SignatureTable };

const tables = (sql: Sql) => sql.withTables<CharterTables>();

/** One version as stored, its digest checked. */
export interface StoredCharter {
  readonly summary: CharterSummary;
  readonly document: CharterDocument;
  readonly lines: SourceLines;
}

export interface NewCharter {
  readonly id: string;
  readonly organisationId: string;
  readonly businessUnitId: string;
  readonly teamId: string;
  readonly useCaseId: string;
  readonly useCase: string;
  readonly version: number;
  readonly digest: string;
  readonly document: CharterDocument;
  readonly source: string | undefined;
  readonly lines: SourceLines;
  readonly createdAt: number;
  readonly createdBy: string;
}

/** Holds other writers of the same use case's charters back until the transaction ends. */
export async function lockUseCase(sql: Sql, useCaseId: string): Promise<void> {
  await raw`select pg_advisory_xact_lock(hashtextextended(${`charter:${useCaseId}`}, 0))`.execute(sql);
}

export async function insertCharter(sql: Sql, row: NewCharter): Promise<void> {
  await tables(sql)
    .insertInto("charter.charters")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      business_unit_id: row.businessUnitId,
      team_id: row.teamId,
      use_case_id: row.useCaseId,
      use_case_name: row.useCase,
      version: row.version,
      digest: row.digest,
      document: JSON.stringify(row.document),
      source: row.source ?? null,
      lines: JSON.stringify(row.lines),
      status: "draft",
      created_at: row.createdAt,
      created_by: row.createdBy,
    })
    .execute();
}

/** Newest version first. */
export async function chartersOfUseCase(sql: Sql, useCaseId: string): Promise<StoredCharter[]> {
  const rows = await tables(sql)
    .selectFrom("charter.charters")
    .selectAll()
    .where("use_case_id", "=", useCaseId)
    .orderBy("version", "desc")
    .execute();
  return rows.map(toStored);
}

/** Of one organisation, by use case and then newest first; without their documents. */
export async function listCharters(
  sql: Sql,
  filter: { organisationId: string; useCase?: string; status?: CharterStatus },
): Promise<CharterSummary[]> {
  let query = tables(sql)
    .selectFrom("charter.charters")
    .selectAll()
    .where("organisation_id", "=", filter.organisationId);
  if (filter.useCase !== undefined) query = query.where("use_case_name", "=", filter.useCase);
  if (filter.status !== undefined) query = query.where("status", "=", filter.status);
  const rows = await query.orderBy("use_case_name").orderBy("version", "desc").limit(1000).execute();
  return rows.map(toSummary);
}

export async function findCharter(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredCharter | undefined> {
  const row = await tables(sql)
    .selectFrom("charter.charters")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && toStored(row);
}

export async function signaturesOf(sql: Sql, charterId: string): Promise<SignatureView[]> {
  const rows = await tables(sql)
    .selectFrom("charter.signatures")
    .selectAll()
    .where("charter_id", "=", charterId)
    .orderBy("signed_at")
    .orderBy("id")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    role: row.role,
    signer: row.signer_id,
    keyId: row.key_id,
    publicKeyPem: row.public_key_pem,
    signature: row.signature_base64,
    signedAt: row.signed_at,
  }));
}

export async function insertSignature(sql: Sql, charterId: string, signature: SignatureView): Promise<void> {
  await tables(sql)
    .insertInto("charter.signatures")
    .values({
      id: signature.id,
      charter_id: charterId,
      role: signature.role,
      signer_id: signature.signer,
      key_id: signature.keyId,
      public_key_pem: signature.publicKeyPem,
      signature_base64: signature.signature,
      signed_at: signature.signedAt,
    })
    .execute();
}

export async function setStatus(
  sql: Sql,
  charterId: string,
  status: CharterStatus,
  times: { readonly inForceSince?: number; readonly endedAt?: number } = {},
): Promise<void> {
  await tables(sql)
    .updateTable("charter.charters")
    .set({
      status,
      ...(times.inForceSince === undefined ? {} : { in_force_since: times.inForceSince }),
      ...(times.endedAt === undefined ? {} : { ended_at: times.endedAt }),
    })
    .where("id", "=", charterId)
    .execute();
}

/** The one version that governs, by id or by name. */
export async function findInForce(
  sql: Sql,
  key: { readonly useCaseId: string } | { readonly organisationId: string; readonly useCase: string },
): Promise<InForceCharter | undefined> {
  const query = tables(sql).selectFrom("charter.charters").selectAll().where("status", "=", "in_force");
  const row = await ("useCaseId" in key
    ? query.where("use_case_id", "=", key.useCaseId)
    : query.where("organisation_id", "=", key.organisationId).where("use_case_name", "=", key.useCase)
  ).executeTakeFirst();
  if (!row) return undefined;
  const { summary, document } = toStored(row);
  return {
    organisationId: summary.organisationId,
    useCaseId: summary.useCaseId,
    useCase: summary.useCase,
    charterId: summary.id,
    version: summary.version,
    digest: summary.digest,
    charter: document,
    inForceSince: row.in_force_since ?? 0,
  };
}

/** Every charter that governs now: of one organisation, or of the whole installation. */
export async function listInForce(sql: Sql, organisationId?: string): Promise<StoredCharter[]> {
  const query = tables(sql).selectFrom("charter.charters").selectAll().where("status", "=", "in_force");
  const rows = await (organisationId === undefined
    ? query
    : query.where("organisation_id", "=", organisationId)
  ).execute();
  return rows.map(toStored);
}

function toStored(row: Selectable<CharterTable>): StoredCharter {
  // A charter edited behind our back governs nothing.
  if (digestJson(row.document) !== row.digest) {
    throw new PortolanError("charter.not_whole", {
      detail: `the stored charter ${row.id} is not the one that was submitted`,
      mend: "Restore the database from a backup and verify the ledger: portolan audit verify.",
    });
  }
  return { summary: toSummary(row), document: row.document, lines: row.lines };
}

function toSummary(row: Selectable<CharterTable>): CharterSummary {
  return {
    id: row.id,
    organisationId: row.organisation_id,
    useCaseId: row.use_case_id,
    useCase: row.use_case_name,
    businessUnitId: row.business_unit_id,
    teamId: row.team_id,
    version: row.version,
    digest: row.digest,
    status: row.status,
    createdAt: row.created_at,
    createdBy: row.created_by,
    ...(row.in_force_since === null ? {} : { inForceSince: row.in_force_since }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  };
}
