import type { CallContext, ResourceRef } from "@portolan/kernel";
import type { ApiKey, RoleBinding, SigningKeyView, WhoAmI } from "./contract.ts";
import type { DirectoryDeps } from "./directory.ts";
import { listBindings } from "./directory-store.ts";
import { identityTables } from "./store.ts";
import {
  apiKeyView,
  businessUnitView,
  organisationView,
  roleBindingViews,
  serviceAccountView,
  signingKeyView,
  teamView,
  useCaseView,
  userView,
} from "./views.ts";

export type DirectoryKind =
  | "organisations"
  | "businessUnits"
  | "teams"
  | "useCases"
  | "users"
  | "serviceAccounts";

/** Lists of one kind; what the caller may not see is left out, as if it did not exist. */
export async function listDirectory(deps: DirectoryDeps, call: CallContext, kind: DirectoryKind) {
  const rows = await readKind(deps, call, kind);
  const visible = [];
  for (const { view, resource } of rows) {
    if ((await deps.authorizer.decide(call, "identity:read", resource)).allowed) visible.push(view);
  }
  return visible;
}

async function readKind(deps: DirectoryDeps, call: CallContext, kind: DirectoryKind) {
  const organisationId = call.actor.organisationId;
  const at = (type: string, id: string, rest: Partial<ResourceRef> = {}): ResourceRef => ({
    type,
    id,
    organisationId,
    ...rest,
  });
  return deps.unitOfWork.read(call, async (sql) => {
    const db = identityTables(sql);
    const own = <Row extends { organisation_id: string }>(rows: readonly Row[]): Row[] =>
      rows.filter((row) => row.organisation_id === organisationId);
    switch (kind) {
      case "organisations":
        return (
          await db.selectFrom("identity.organisations").selectAll().where("id", "=", organisationId).execute()
        ).map((row) => ({ view: organisationView(row), resource: at("Organisation", row.id) }));
      case "businessUnits":
        return own(await db.selectFrom("identity.business_units").selectAll().orderBy("name").execute()).map(
          (row) => ({
            view: businessUnitView(row),
            resource: at("BusinessUnit", row.id, { businessUnitId: row.id }),
          }),
        );
      case "teams":
        return own(await db.selectFrom("identity.teams").selectAll().orderBy("name").execute()).map(
          (row) => ({
            view: teamView(row),
            resource: at("Team", row.id, { businessUnitId: row.business_unit_id, teamId: row.id }),
          }),
        );
      case "useCases":
        return own(await db.selectFrom("identity.use_cases").selectAll().orderBy("name").execute()).map(
          (row) => ({ view: useCaseView(row), resource: at("UseCase", row.id, { useCaseId: row.id }) }),
        );
      case "users":
        return own(await db.selectFrom("identity.users").selectAll().orderBy("name").execute()).map(
          (row) => ({
            view: userView(row),
            resource: at("Principal", row.id),
          }),
        );
      case "serviceAccounts":
        return own(
          await db.selectFrom("identity.service_accounts").selectAll().orderBy("name").execute(),
        ).map((row) => ({ view: serviceAccountView(row), resource: at("Principal", row.id) }));
    }
  });
}

/** Role bindings of the organisation, or the caller's own when that is all they may see. */
export async function listRoleBindings(deps: DirectoryDeps, call: CallContext): Promise<RoleBinding[]> {
  const principalId = (await mayReadAll(deps, call)) ? undefined : call.actor.id;
  const rows = await deps.unitOfWork.read(call, (sql) =>
    listBindings(sql, call.actor.organisationId, principalId),
  );
  return roleBindingViews(rows);
}

export async function listApiKeys(deps: DirectoryDeps, call: CallContext): Promise<ApiKey[]> {
  const all = await mayReadAll(deps, call);
  const rows = await deps.unitOfWork.read(call, (sql) =>
    identityTables(sql)
      .selectFrom("identity.api_keys")
      .selectAll()
      .where("organisation_id", "=", call.actor.organisationId)
      .orderBy("id")
      .execute(),
  );
  return rows.filter((row) => all || row.principal_id === call.actor.id).map(apiKeyView);
}

/** Public halves are public: everybody in the organisation sees them, to verify what they signed. */
export async function listSigningKeys(deps: DirectoryDeps, call: CallContext): Promise<SigningKeyView[]> {
  const rows = await deps.unitOfWork.read(call, (sql) =>
    identityTables(sql).selectFrom("identity.signing_keys").selectAll().orderBy("valid_from").execute(),
  );
  return rows
    .filter((row) => row.organisation_id === null || row.organisation_id === call.actor.organisationId)
    .map(signingKeyView);
}

export async function whoAmI(deps: DirectoryDeps, call: CallContext): Promise<WhoAmI> {
  const { kind, id, organisationId, environments, scopes } = call.actor;
  const rows = await deps.unitOfWork.read(call, (sql) => listBindings(sql, organisationId, id));
  return {
    kind,
    id,
    organisationId,
    environments: [...environments],
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    bindings: roleBindingViews(rows),
  };
}

async function mayReadAll(deps: DirectoryDeps, call: CallContext): Promise<boolean> {
  const resource = { type: "Organisation", organisationId: call.actor.organisationId };
  return (await deps.authorizer.decide(call, "identity:read", resource)).allowed;
}
