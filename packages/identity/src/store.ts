import type { Environment, KeyAlgorithm, KeyPurpose, SigningKey, Sql } from "@portolan/kernel";
import { asEpochMicros } from "@portolan/kernel";
import type { Generated, Kysely } from "kysely";
import type { ScopeKind } from "./contract.ts";

interface NamedRow {
  id: string;
  organisation_id: string;
  name: string;
  display_name: string;
  created_at: number;
  created_by: string;
}

export interface OrganisationRow {
  id: string;
  name: string;
  display_name: string;
  home: boolean;
  created_at: number;
  created_by: string;
}
export type BusinessUnitRow = NamedRow;
export interface TeamRow extends NamedRow {
  business_unit_id: string;
}
export interface UseCaseRow extends TeamRow {
  team_id: string;
}
export interface ServiceAccountRow extends NamedRow {
  disabled_at: number | null;
}
export interface UserRow extends ServiceAccountRow {
  email: string | null;
}

export interface ExternalSubjectRow {
  issuer: string;
  subject: string;
  organisation_id: string;
  principal_id: string;
  created_at: number;
}

export interface RoleBindingRow {
  id: string;
  organisation_id: string;
  principal_id: string;
  role: string;
  scope_kind: ScopeKind;
  scope_id: string;
  environments: Environment[];
  created_at: number;
  created_by: string;
  revoked_at: number | null;
  revoked_by: string | null;
}

export interface ApiKeyRow {
  id: string;
  organisation_id: string;
  principal_id: string;
  principal_kind: "user" | "service_account";
  name: string;
  environment: Environment;
  scopes: string[] | null;
  secret_sha256: string;
  created_at: number;
  created_by: string;
  expires_at: number;
  revoked_at: number | null;
  last_used_at: number | null;
}

export interface SigningKeyRow {
  id: string;
  purpose: KeyPurpose;
  algorithm: KeyAlgorithm;
  public_key_pem: string;
  holder: string | null;
  organisation_id: string | null;
  valid_from: number;
  retired_at: number | null;
  revoked_at: number | null;
  revocation_reason: string | null;
  created_by: string;
}

export interface OidcIssuerRow {
  organisation_id: string;
  issuer: string;
  audiences: string[];
  algorithms: string[];
  jwks_uri: string | null;
  /** Written as JSON text, read back parsed. */
  jwks: unknown;
  token_type: "at+jwt" | "JWT";
  subject_claim: string;
  environments: Environment[];
  environments_claim: string | null;
  created_at: number;
  created_by: string;
  disabled_at: number | null;
}

export interface IssuerAudienceRow {
  issuer: string;
  audience: string;
  organisation_id: string;
}

export interface IssuerKeysRow {
  jwks_uri: string;
  /** Written as JSON text, read back parsed. */
  keys: unknown;
  fetched_at: number;
}

export interface RevocationRow {
  organisation_id: string;
  epoch: number;
  kind: RevocationKind;
  subject: string;
  revoked_at: number;
  revoked_by: string;
  reason: string | null;
}
export type RevocationKind =
  | "api_key"
  | "token"
  | "principal"
  | "signing_key"
  | "role_binding"
  | "issuer"
  | "policy";

export interface PolicySetRow {
  organisation_id: string;
  version: number;
  digest: string;
  files: unknown;
  created_at: number;
  created_by: string;
}

// A type alias, since Kysely wants an implicit index signature, which interfaces lack.
export type IdentityTables = {
  "identity.organisations": OrganisationRow;
  "identity.business_units": BusinessUnitRow;
  "identity.teams": TeamRow;
  "identity.use_cases": UseCaseRow;
  "identity.users": UserRow;
  "identity.service_accounts": ServiceAccountRow;
  "identity.external_subjects": ExternalSubjectRow;
  "identity.role_bindings": RoleBindingRow;
  "identity.api_keys": ApiKeyRow;
  "identity.signing_keys": SigningKeyRow;
  "identity.oidc_issuers": OidcIssuerRow;
  "identity.issuer_audiences": IssuerAudienceRow;
  "identity.issuer_keys": IssuerKeysRow;
  "identity.access_epoch": { one: Generated<boolean>; epoch: number };
  "identity.revocation_epochs": { organisation_id: string; epoch: number };
  "identity.revocations": RevocationRow;
  "identity.policy_sets": PolicySetRow;
};

/** The session narrowed to this package's tables. */
export function identityTables(sql: Sql): Kysely<IdentityTables> {
  return sql.withTables<IdentityTables>();
}

export async function findHomeOrganisation(sql: Sql): Promise<OrganisationRow | undefined> {
  return identityTables(sql)
    .selectFrom("identity.organisations")
    .selectAll()
    .where("home", "=", true)
    .executeTakeFirst();
}

export async function listOrganisationIds(sql: Sql): Promise<string[]> {
  const rows = await identityTables(sql)
    .selectFrom("identity.organisations")
    .select("id")
    .orderBy("id")
    .execute();
  return rows.map(({ id }) => id);
}

export async function findActivePlatformKey(sql: Sql, purpose: KeyPurpose): Promise<SigningKey | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.signing_keys")
    .selectAll()
    .where("purpose", "=", purpose)
    .where("holder", "is", null)
    .where("retired_at", "is", null)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return row && signingKeyOf(row);
}

export async function findSigningKey(sql: Sql, id: string): Promise<SigningKey | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.signing_keys")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  return row && signingKeyOf(row);
}

/** Platform keys of a purpose, newest first: also retired ones, whose tokens or signatures may still be about. */
export async function listPlatformKeys(sql: Sql, purpose: KeyPurpose): Promise<SigningKey[]> {
  const rows = await identityTables(sql)
    .selectFrom("identity.signing_keys")
    .selectAll()
    .where("purpose", "=", purpose)
    .where("holder", "is", null)
    .orderBy("valid_from", "desc")
    .execute();
  return rows.map(signingKeyOf);
}

export async function insertSigningKey(
  sql: Sql,
  key: SigningKey,
  by: string,
  organisationId?: string,
): Promise<void> {
  await identityTables(sql)
    .insertInto("identity.signing_keys")
    .values({
      id: key.id,
      purpose: key.purpose,
      algorithm: key.algorithm,
      public_key_pem: key.publicKeyPem,
      holder: key.holder ?? null,
      organisation_id: organisationId ?? null,
      valid_from: key.validFrom,
      retired_at: key.retiredAt ?? null,
      revoked_at: key.revokedAt ?? null,
      revocation_reason: null,
      created_by: by,
    })
    .execute();
}

/** Ends a key's signing life; an earlier end is never moved. Resolves to false when it had ended already. */
export async function retireSigningKey(sql: Sql, id: string, at: number): Promise<boolean> {
  const result = await identityTables(sql)
    .updateTable("identity.signing_keys")
    .set({ retired_at: at })
    .where("id", "=", id)
    .where("retired_at", "is", null)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function revokeSigningKey(sql: Sql, id: string, at: number, reason: string): Promise<boolean> {
  const result = await identityTables(sql)
    .updateTable("identity.signing_keys")
    .set({ revoked_at: at, revocation_reason: reason })
    .where("id", "=", id)
    .where((where) => where.or([where("revoked_at", "is", null), where("revoked_at", ">", at)]))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export function signingKeyOf(row: SigningKeyRow): SigningKey {
  return {
    id: row.id,
    purpose: row.purpose,
    algorithm: row.algorithm,
    publicKeyPem: row.public_key_pem,
    validFrom: asEpochMicros(row.valid_from),
    ...(row.holder === null ? {} : { holder: row.holder }),
    ...(row.retired_at === null ? {} : { retiredAt: asEpochMicros(row.retired_at) }),
    ...(row.revoked_at === null ? {} : { revokedAt: asEpochMicros(row.revoked_at) }),
  };
}

/** Raises the organisation's revocation epoch and says what was revoked. Call it in the transaction of the revocation. */
export async function addRevocation(
  sql: Sql,
  revocation: {
    readonly organisationId: string;
    readonly kind: RevocationKind;
    readonly subject: string;
    readonly at: number;
    readonly by: string;
    readonly reason?: string;
  },
): Promise<number> {
  const db = identityTables(sql);
  const { epoch } = await db
    .insertInto("identity.revocation_epochs")
    .values({ organisation_id: revocation.organisationId, epoch: 1 })
    .onConflict((conflict) =>
      conflict
        .column("organisation_id")
        .doUpdateSet((set) => ({ epoch: set("identity.revocation_epochs.epoch", "+", 1) })),
    )
    .returning("epoch")
    .executeTakeFirstOrThrow();
  await db
    .insertInto("identity.revocations")
    .values({
      organisation_id: revocation.organisationId,
      epoch,
      kind: revocation.kind,
      subject: revocation.subject,
      revoked_at: revocation.at,
      revoked_by: revocation.by,
      reason: revocation.reason ?? null,
    })
    .execute();
  return epoch;
}

export async function revocationEpoch(sql: Sql, organisationId: string): Promise<number> {
  const row = await identityTables(sql)
    .selectFrom("identity.revocation_epochs")
    .select("epoch")
    .where("organisation_id", "=", organisationId)
    .executeTakeFirst();
  return row?.epoch ?? 0;
}
