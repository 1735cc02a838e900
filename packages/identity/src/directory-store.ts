import type { Sql } from "@portolan/kernel";
import type { HeldRole } from "./authorization/facts.ts";
import { parseRole } from "./roles.ts";
import { identityTables, type RoleBindingRow } from "./store.ts";

/** A scope with everything above it. */
export interface ScopePath {
  readonly organisationId: string;
  readonly businessUnitId?: string;
  readonly teamId?: string;
  readonly useCaseId?: string;
}

export interface PrincipalRow {
  readonly id: string;
  readonly kind: "user" | "service_account";
  readonly organisationId: string;
  readonly name: string;
  readonly disabledAt?: number;
}

/** Finds a use case by id or by name, with its team and business unit. */
export async function findUseCasePath(
  sql: Sql,
  organisationId: string,
  idOrName: string,
): Promise<ScopePath | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.use_cases")
    .select(["id", "team_id", "business_unit_id"])
    .where("organisation_id", "=", organisationId)
    .where((where) => where.or([where("id", "=", idOrName), where("name", "=", idOrName)]))
    .executeTakeFirst();
  return (
    row && { organisationId, businessUnitId: row.business_unit_id, teamId: row.team_id, useCaseId: row.id }
  );
}

/** Id and name of a use case that is given by either. */
export async function findUseCaseName(
  sql: Sql,
  organisationId: string,
  idOrName: string,
): Promise<{ readonly id: string; readonly name: string } | undefined> {
  return identityTables(sql)
    .selectFrom("identity.use_cases")
    .select(["id", "name"])
    .where("organisation_id", "=", organisationId)
    .where((where) => where.or([where("id", "=", idOrName), where("name", "=", idOrName)]))
    .executeTakeFirst();
}

/** Ids, names and times of all use cases, by name. */
export async function listUseCaseNames(
  sql: Sql,
  organisationId: string,
): Promise<{ readonly id: string; readonly name: string; readonly createdAt: number }[]> {
  return identityTables(sql)
    .selectFrom("identity.use_cases")
    .select(["id", "name", "created_at as createdAt"])
    .where("organisation_id", "=", organisationId)
    .orderBy("name")
    .execute();
}

/** Finds a team by id or by name, with its business unit. */
export async function findTeamPath(
  sql: Sql,
  organisationId: string,
  idOrName: string,
): Promise<ScopePath | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.teams")
    .select(["id", "business_unit_id"])
    .where("organisation_id", "=", organisationId)
    .where((where) => where.or([where("id", "=", idOrName), where("name", "=", idOrName)]))
    .executeTakeFirst();
  return row && { organisationId, businessUnitId: row.business_unit_id, teamId: row.id };
}

/** Finds a business unit by id or by name. */
export async function findBusinessUnitPath(
  sql: Sql,
  organisationId: string,
  idOrName: string,
): Promise<ScopePath | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.business_units")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where((where) => where.or([where("id", "=", idOrName), where("name", "=", idOrName)]))
    .executeTakeFirst();
  return row && { organisationId, businessUnitId: row.id };
}

/** A principal by id, or by name within its organisation. */
export async function findPrincipal(
  sql: Sql,
  organisationId: string,
  idOrName: string,
): Promise<PrincipalRow | undefined> {
  const db = identityTables(sql);
  for (const kind of ["user", "service_account"] as const) {
    const row = await db
      .selectFrom(kind === "user" ? "identity.users" : "identity.service_accounts")
      .select(["id", "name", "disabled_at"])
      .where("organisation_id", "=", organisationId)
      .where((where) => where.or([where("id", "=", idOrName), where("name", "=", idOrName)]))
      .executeTakeFirst();
    if (row) {
      return {
        id: row.id,
        kind,
        organisationId,
        name: row.name,
        ...(row.disabled_at === null ? {} : { disabledAt: row.disabled_at }),
      };
    }
  }
  return undefined;
}

/** The principal that an outside issuer's subject stands for. */
export async function findSubject(
  sql: Sql,
  organisationId: string,
  issuer: string,
  subject: string,
): Promise<string | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.external_subjects")
    .select("principal_id")
    .where("issuer", "=", issuer)
    .where("subject", "=", subject)
    .where("organisation_id", "=", organisationId)
    .executeTakeFirst();
  return row?.principal_id;
}

export async function listBindings(
  sql: Sql,
  organisationId: string,
  principalId?: string,
): Promise<RoleBindingRow[]> {
  let query = identityTables(sql)
    .selectFrom("identity.role_bindings")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("revoked_at", "is", null);
  if (principalId !== undefined) query = query.where("principal_id", "=", principalId);
  return query.orderBy("id").execute();
}

/** Bindings as the policy set takes them; a role that this version does not know gives nothing. */
export function heldRoles(rows: readonly RoleBindingRow[]): HeldRole[] {
  return rows.flatMap((row) => {
    const role = parseRole(row.role);
    return role ? [{ role, scopeId: row.scope_id, environments: row.environments }] : [];
  });
}

/** The organisation's policy files of the newest version. */
export async function findPolicySet(
  sql: Sql,
  organisationId: string,
): Promise<{ version: number; digest: string; files: { name: string; text: string }[] } | undefined> {
  const row = await identityTables(sql)
    .selectFrom("identity.policy_sets")
    .select(["version", "digest", "files"])
    .where("organisation_id", "=", organisationId)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row) return undefined;
  return { version: row.version, digest: row.digest, files: row.files as { name: string; text: string }[] };
}
