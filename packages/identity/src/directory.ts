import {
  type Authorizer,
  type CallContext,
  digestJson,
  newId,
  PortolanError,
  type ResourceRef,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { BusinessUnit, Organisation, ServiceAccount, Team, UseCase, User } from "./contract.ts";
import { findBusinessUnitPath, findPrincipal, findTeamPath } from "./directory-store.ts";
import { addRevocation, identityTables } from "./store.ts";
import {
  businessUnitView,
  organisationView,
  serviceAccountView,
  teamView,
  useCaseView,
  userView,
} from "./views.ts";

export interface DirectoryDeps {
  readonly unitOfWork: UnitOfWork;
  readonly authorizer: Authorizer;
}

export interface Naming {
  readonly name: string;
  readonly displayName: string;
}

/** The common columns of everything that has a name. */
function namedRow(tx: Transaction, id: string, naming: Naming) {
  return {
    id,
    organisation_id: tx.call.actor.organisationId,
    name: naming.name,
    display_name: naming.displayName,
    created_at: tx.now,
    created_by: tx.call.actor.id,
  };
}

async function recordCreated(
  tx: Transaction,
  noun: string,
  row: { id: string; name: string },
): Promise<void> {
  await tx.record({
    event: `identity.${noun}.created`,
    subject: row.id,
    after: digestJson({ id: row.id, name: row.name }),
    detail: { name: row.name },
  });
}

type NamedTable =
  | "identity.business_units"
  | "identity.teams"
  | "identity.use_cases"
  | "identity.users"
  | "identity.service_accounts";

async function refuseTakenName(tx: Transaction, table: NamedTable, name: string): Promise<void> {
  const taken = await identityTables(tx.sql)
    .selectFrom(table)
    .select("id")
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("name", "=", name)
    .executeTakeFirst();
  if (taken) throw nameTaken(name);
}

export function nameTaken(name: string): PortolanError {
  return new PortolanError("identity.name_taken", {
    detail: `"${name}" exists already`,
    mend: "Choose another name, or use the existing one.",
  });
}

function inOrganisation(call: CallContext, type: string, rest: Partial<ResourceRef> = {}): ResourceRef {
  return { type, organisationId: call.actor.organisationId, ...rest };
}

/** Creates an organisation with nobody in it but its first platform admin. */
export async function createOrganisation(
  deps: DirectoryDeps,
  call: CallContext,
  input: Naming & { readonly administrator: Naming & { readonly email?: string } },
): Promise<{ organisation: Organisation; administratorId: string }> {
  await deps.authorizer.require(call, "identity:create_organisation", inOrganisation(call, "Organisation"));
  return deps.unitOfWork.write(call, (tx) => insertOrganisation(tx, input, false));
}

/** Inserts an organisation and its first administrator, in the caller's transaction. */
export async function insertOrganisation(
  tx: Transaction,
  input: Naming & { readonly administrator: Naming & { readonly email?: string } },
  home: boolean,
  id: string = newId("organisation", tx.now),
): Promise<{ organisation: Organisation; administratorId: string }> {
  const db = identityTables(tx.sql);
  const taken = await db
    .selectFrom("identity.organisations")
    .select("id")
    .where("name", "=", input.name)
    .executeTakeFirst();
  if (taken) throw nameTaken(input.name);
  const by = tx.call.actor.id;
  const stamp = { created_at: tx.now, created_by: by };
  const organisation = { id, name: input.name, display_name: input.displayName, home, ...stamp };
  await db.insertInto("identity.organisations").values(organisation).execute();
  const administratorId = newId("user", tx.now);
  await db
    .insertInto("identity.users")
    .values({
      id: administratorId,
      organisation_id: id,
      name: input.administrator.name,
      display_name: input.administrator.displayName,
      email: input.administrator.email ?? null,
      disabled_at: null,
      ...stamp,
    })
    .execute();
  await db
    .insertInto("identity.role_bindings")
    .values({
      id: newId("roleBinding", tx.now),
      organisation_id: id,
      principal_id: administratorId,
      role: "platform_admin",
      scope_kind: "organisation",
      scope_id: id,
      environments: ["dev", "staging", "production"],
      revoked_at: null,
      revoked_by: null,
      ...stamp,
    })
    .execute();
  await recordCreated(tx, "organisation", organisation);
  return { organisation: organisationView(organisation), administratorId };
}

export async function createBusinessUnit(
  deps: DirectoryDeps,
  call: CallContext,
  input: Naming,
): Promise<BusinessUnit> {
  await deps.authorizer.require(call, "identity:manage", inOrganisation(call, "BusinessUnit"));
  return deps.unitOfWork.write(call, async (tx) => {
    await refuseTakenName(tx, "identity.business_units", input.name);
    const row = namedRow(tx, newId("businessUnit", tx.now), input);
    await identityTables(tx.sql).insertInto("identity.business_units").values(row).execute();
    await recordCreated(tx, "business_unit", row);
    return businessUnitView(row);
  });
}

/** `businessUnit` is an id or a name. */
export async function createTeam(
  deps: DirectoryDeps,
  call: CallContext,
  input: Naming & { readonly businessUnit: string },
): Promise<Team> {
  const path = await deps.unitOfWork.read(call, (sql) =>
    findBusinessUnitPath(sql, call.actor.organisationId, input.businessUnit),
  );
  const businessUnitId = path?.businessUnitId ?? input.businessUnit;
  await deps.authorizer.require(call, "identity:manage", inOrganisation(call, "Team", { businessUnitId }));
  if (!path) throw new PortolanError("kernel.not_found");
  return deps.unitOfWork.write(call, async (tx) => {
    await refuseTakenName(tx, "identity.teams", input.name);
    const row = { ...namedRow(tx, newId("team", tx.now), input), business_unit_id: businessUnitId };
    await identityTables(tx.sql).insertInto("identity.teams").values(row).execute();
    await recordCreated(tx, "team", row);
    return teamView(row);
  });
}

/** `team` is an id or a name. */
export async function createUseCase(
  deps: DirectoryDeps,
  call: CallContext,
  input: Naming & { readonly team: string },
): Promise<UseCase> {
  const path = await deps.unitOfWork.read(call, (sql) =>
    findTeamPath(sql, call.actor.organisationId, input.team),
  );
  await deps.authorizer.require(
    call,
    "identity:manage",
    inOrganisation(call, "UseCase", { teamId: path?.teamId ?? input.team }),
  );
  const { teamId, businessUnitId } = path ?? {};
  if (teamId === undefined || businessUnitId === undefined) throw new PortolanError("kernel.not_found");
  return deps.unitOfWork.write(call, async (tx) => {
    await refuseTakenName(tx, "identity.use_cases", input.name);
    const row = {
      ...namedRow(tx, newId("useCase", tx.now), input),
      business_unit_id: businessUnitId,
      team_id: teamId,
    };
    await identityTables(tx.sql).insertInto("identity.use_cases").values(row).execute();
    await recordCreated(tx, "use_case", row);
    return useCaseView(row);
  });
}

export interface NewSubject {
  readonly issuer: string;
  readonly subject: string;
}

/** Creates a person. `subject` ties a token of an outside issuer to them. */
export async function createUser(
  deps: DirectoryDeps,
  call: CallContext,
  input: Naming & { readonly email?: string; readonly subject?: NewSubject },
): Promise<User> {
  await deps.authorizer.require(call, "identity:manage", inOrganisation(call, "Principal"));
  return deps.unitOfWork.write(call, async (tx) => {
    await refuseTakenName(tx, "identity.users", input.name);
    await refuseTakenName(tx, "identity.service_accounts", input.name);
    const row = {
      ...namedRow(tx, newId("user", tx.now), input),
      email: input.email ?? null,
      disabled_at: null,
    };
    await identityTables(tx.sql).insertInto("identity.users").values(row).execute();
    if (input.subject) await insertSubject(tx, row.id, input.subject);
    await recordCreated(tx, "user", row);
    return userView(row);
  });
}

export async function createServiceAccount(
  deps: DirectoryDeps,
  call: CallContext,
  input: Naming & { readonly subject?: NewSubject },
): Promise<ServiceAccount> {
  await deps.authorizer.require(call, "identity:manage", inOrganisation(call, "Principal"));
  return deps.unitOfWork.write(call, async (tx) => {
    await refuseTakenName(tx, "identity.users", input.name);
    await refuseTakenName(tx, "identity.service_accounts", input.name);
    const row = { ...namedRow(tx, newId("serviceAccount", tx.now), input), disabled_at: null };
    await identityTables(tx.sql).insertInto("identity.service_accounts").values(row).execute();
    if (input.subject) await insertSubject(tx, row.id, input.subject);
    await recordCreated(tx, "service_account", row);
    return serviceAccountView(row);
  });
}

async function insertSubject(tx: Transaction, principalId: string, subject: NewSubject): Promise<void> {
  await identityTables(tx.sql)
    .insertInto("identity.external_subjects")
    .values({
      issuer: subject.issuer,
      subject: subject.subject,
      organisation_id: tx.call.actor.organisationId,
      principal_id: principalId,
      created_at: tx.now,
    })
    .execute();
}

/** Disables a person or service account: their tokens and keys stop counting at once. */
export async function disablePrincipal(
  deps: DirectoryDeps,
  call: CallContext,
  principalId: string,
  reason: string,
): Promise<void> {
  await deps.authorizer.require(
    call,
    "identity:manage",
    inOrganisation(call, "Principal", { id: principalId }),
  );
  await deps.unitOfWork.write(call, async (tx) => {
    const organisationId = call.actor.organisationId;
    const principal = await findPrincipal(tx.sql, organisationId, principalId);
    if (!principal) throw new PortolanError("kernel.not_found");
    if (principal.disabledAt !== undefined) return;
    const table = principal.kind === "user" ? "identity.users" : "identity.service_accounts";
    await identityTables(tx.sql)
      .updateTable(table)
      .set({ disabled_at: tx.now })
      .where("id", "=", principal.id)
      .execute();
    await addRevocation(tx.sql, {
      organisationId,
      kind: "principal",
      subject: principal.id,
      at: tx.now,
      by: call.actor.id,
      reason,
    });
    await tx.record({ event: "identity.principal.disabled", subject: principal.id, detail: { reason } });
  });
}
