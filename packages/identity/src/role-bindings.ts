import {
  type CallContext,
  digestJson,
  type Environment,
  newId,
  PortolanError,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import type { RoleBinding, ScopeKind } from "./contract.ts";
import type { DirectoryDeps } from "./directory.ts";
import {
  findBusinessUnitPath,
  findPrincipal,
  findTeamPath,
  findUseCasePath,
  listBindings,
  type ScopePath,
} from "./directory-store.ts";
import { type Role, serviceAccountRoles } from "./roles.ts";
import { addRevocation, identityTables, type RoleBindingRow } from "./store.ts";
import { roleBindingViews } from "./views.ts";

export interface NewRoleBinding {
  /** Id or name. */
  readonly principal: string;
  readonly role: Role;
  /** `id` may be a name, except for the organisation. */
  readonly scope: { readonly kind: ScopeKind; readonly id: string };
  readonly environments: readonly Environment[];
}

/**
 * Gives a role. Judged once per environment, so that nobody gives away more than the reach of their own
 * credential and role. Giving the same again with other environments replaces the earlier binding.
 */
export async function bindRole(
  deps: DirectoryDeps,
  call: CallContext,
  input: NewRoleBinding,
): Promise<RoleBinding> {
  const organisationId = call.actor.organisationId;
  const { path, principal } = await deps.unitOfWork.read(call, async (sql) => ({
    path: await resolveScope(sql, organisationId, input.scope),
    principal: await findPrincipal(sql, organisationId, input.principal),
  }));
  const scopeOf = path && (path.useCaseId ?? path.teamId ?? path.businessUnitId ?? organisationId);
  const replaced = await deps.unitOfWork.read(call, (sql) =>
    environmentsNow(sql, organisationId, principal?.id ?? "", input.role, scopeOf ?? ""),
  );
  // A new binding takes the place of the old one: what is taken away needs the right as well as what is given.
  for (const environment of new Set([...input.environments, ...replaced])) {
    await deps.authorizer.require(call, "identity:bind_role", {
      type: "RoleBinding",
      ...path,
      organisationId,
      environment,
      attributes: { role: input.role },
    });
  }
  if (!path || !principal) throw new PortolanError("kernel.not_found");
  if (serviceAccountRoles.includes(input.role) && principal.kind !== "service_account") {
    throw new PortolanError("identity.bad_binding", {
      detail: `${input.role} is a role of service accounts and ${principal.name} is a person`,
      mend: "Create a service account for the pipeline or gateway.",
    });
  }
  const scopeId = path.useCaseId ?? path.teamId ?? path.businessUnitId ?? organisationId;
  const place = { scopeKind: input.scope.kind, scopeId };
  return deps.unitOfWork.write(call, (tx) => replaceBinding(tx, principal.id, place, input));
}

async function environmentsNow(
  sql: Sql,
  organisationId: string,
  principalId: string,
  role: string,
  scopeId: string,
): Promise<readonly Environment[]> {
  const bindings = await listBindings(sql, organisationId, principalId);
  return bindings
    .filter((row) => row.role === role && row.scope_id === scopeId)
    .flatMap((row) => row.environments);
}

async function replaceBinding(
  tx: Transaction,
  principalId: string,
  place: { readonly scopeKind: ScopeKind; readonly scopeId: string },
  input: NewRoleBinding,
): Promise<RoleBinding> {
  const { actor } = tx.call;
  const { scopeId } = place;
  const db = identityTables(tx.sql);
  await db
    .updateTable("identity.role_bindings")
    .set({ revoked_at: tx.now, revoked_by: actor.id })
    .where("principal_id", "=", principalId)
    .where("role", "=", input.role)
    .where("scope_id", "=", scopeId)
    .where("revoked_at", "is", null)
    .execute();
  const row: RoleBindingRow = {
    id: newId("roleBinding", tx.now),
    organisation_id: actor.organisationId,
    principal_id: principalId,
    role: input.role,
    scope_kind: place.scopeKind,
    scope_id: scopeId,
    environments: [...new Set(input.environments)],
    created_at: tx.now,
    created_by: actor.id,
    revoked_at: null,
    revoked_by: null,
  };
  await db.insertInto("identity.role_bindings").values(row).execute();
  const detail = {
    principal: principalId,
    role: input.role,
    scope: scopeId,
    environments: row.environments,
  };
  await tx.record({
    event: "identity.role.bound",
    subject: row.id,
    after: digestJson(detail),
    detail,
  });
  const [view] = roleBindingViews([row]);
  if (!view) throw new PortolanError("kernel.internal");
  return view;
}

export async function unbindRole(deps: DirectoryDeps, call: CallContext, bindingId: string): Promise<void> {
  const organisationId = call.actor.organisationId;
  const found = await deps.unitOfWork.read(call, async (sql) => {
    const row = await identityTables(sql)
      .selectFrom("identity.role_bindings")
      .selectAll()
      .where("organisation_id", "=", organisationId)
      .where("id", "=", bindingId)
      .executeTakeFirst();
    const scope = row && { kind: row.scope_kind, id: row.scope_id };
    return row && { row, path: scope && (await resolveScope(sql, organisationId, scope)) };
  });
  if (!found) throw new PortolanError("kernel.not_found");
  for (const environment of found.row.environments) {
    await deps.authorizer.require(call, "identity:bind_role", {
      type: "RoleBinding",
      id: bindingId,
      ...found.path,
      organisationId,
      environment,
      attributes: { role: found.row.role },
    });
  }
  await deps.unitOfWork.write(call, async (tx) => {
    const result = await identityTables(tx.sql)
      .updateTable("identity.role_bindings")
      .set({ revoked_at: tx.now, revoked_by: call.actor.id })
      .where("id", "=", bindingId)
      .where("revoked_at", "is", null)
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return;
    await addRevocation(tx.sql, {
      organisationId,
      kind: "role_binding",
      subject: bindingId,
      at: tx.now,
      by: call.actor.id,
    });
    await tx.record({
      event: "identity.role.unbound",
      subject: bindingId,
      detail: { principal: found.row.principal_id, role: found.row.role, scope: found.row.scope_id },
    });
  });
}

async function resolveScope(
  sql: Sql,
  organisationId: string,
  scope: { readonly kind: ScopeKind; readonly id: string },
): Promise<ScopePath | undefined> {
  switch (scope.kind) {
    case "organisation":
      return scope.id === organisationId ? { organisationId } : undefined;
    case "business_unit":
      return findBusinessUnitPath(sql, organisationId, scope.id);
    case "team":
      return findTeamPath(sql, organisationId, scope.id);
    case "use_case":
      return findUseCasePath(sql, organisationId, scope.id);
  }
}
