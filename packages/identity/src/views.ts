import type {
  ApiKey,
  BusinessUnit,
  Organisation,
  RoleBinding,
  ServiceAccount,
  SigningKeyView,
  Team,
  UseCase,
  User,
} from "./contract.ts";
import { parseRole } from "./roles.ts";
import type {
  ApiKeyRow,
  BusinessUnitRow,
  OrganisationRow,
  RoleBindingRow,
  ServiceAccountRow,
  SigningKeyRow,
  TeamRow,
  UseCaseRow,
  UserRow,
} from "./store.ts";

function named(row: BusinessUnitRow) {
  return {
    id: row.id,
    organisationId: row.organisation_id,
    name: row.name,
    displayName: row.display_name,
    createdAt: row.created_at,
  };
}

export function organisationView(row: OrganisationRow): Organisation {
  return {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    home: row.home,
    createdAt: row.created_at,
  };
}

export function businessUnitView(row: BusinessUnitRow): BusinessUnit {
  return named(row);
}

export function teamView(row: TeamRow): Team {
  return { ...named(row), businessUnitId: row.business_unit_id };
}

export function useCaseView(row: UseCaseRow): UseCase {
  return { ...named(row), businessUnitId: row.business_unit_id, teamId: row.team_id };
}

export function serviceAccountView(row: ServiceAccountRow): ServiceAccount {
  return { ...named(row), ...(row.disabled_at === null ? {} : { disabledAt: row.disabled_at }) };
}

export function userView(row: UserRow): User {
  return { ...serviceAccountView(row), ...(row.email === null ? {} : { email: row.email }) };
}

/** Roles of a later version than ours are left out: they give nothing here. */
export function roleBindingViews(rows: readonly RoleBindingRow[]): RoleBinding[] {
  return rows.flatMap((row) => {
    const role = parseRole(row.role);
    if (!role) return [];
    return [
      {
        id: row.id,
        organisationId: row.organisation_id,
        principalId: row.principal_id,
        role,
        scope: { kind: row.scope_kind, id: row.scope_id },
        environments: row.environments,
        createdAt: row.created_at,
      },
    ];
  });
}

export function apiKeyView(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    organisationId: row.organisation_id,
    principalId: row.principal_id,
    name: row.name,
    environment: row.environment,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    ...(row.scopes === null ? {} : { scopes: row.scopes }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
  };
}

export function signingKeyView(row: SigningKeyRow): SigningKeyView {
  return {
    id: row.id,
    purpose: row.purpose,
    algorithm: row.algorithm,
    publicKeyPem: row.public_key_pem,
    validFrom: row.valid_from,
    ...(row.holder === null ? {} : { holder: row.holder }),
    ...(row.retired_at === null ? {} : { retiredAt: row.retired_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
  };
}
