import {
  type Actor,
  type CallContext,
  type Environment,
  type Id,
  newId,
  type PlaceDirectory,
  systemActor,
  systemClock,
  type UnitOfWork,
  type WorkPlace,
} from "@portolan/kernel";
import { findApiKeyRow } from "./api-keys.ts";
import {
  findPrincipal,
  findTeamPath,
  findUseCaseName,
  findUseCasePath,
  listBindings,
  listUseCaseNames,
  type ScopePath,
} from "./directory-store.ts";
import { identityTables } from "./store.ts";
import { findTenant, type TenantKind, type TenantNames } from "./tenant-names.ts";

/** A use case with its place, for the domains that govern by use case. */
export interface UseCasePlace {
  readonly useCaseId: string;
  readonly businessUnitId: string;
  readonly businessUnit: string;
  readonly teamId: string;
  readonly team: string;
}

export interface DirectoryLookups {
  /** By id or name, within the organisation. */
  findUseCase(organisationId: Id<"organisation">, idOrName: string): Promise<UseCasePlace | undefined>;
  /** Id and name of a use case that is given by either. */
  useCaseName(
    organisationId: Id<"organisation">,
    idOrName: string,
  ): Promise<{ readonly id: string; readonly name: string } | undefined>;
  /** A tenant of usage with those it belongs to, by id or name. */
  tenant(
    organisationId: Id<"organisation">,
    kind: TenantKind,
    idOrName: string,
  ): Promise<TenantNames | undefined>;
  /** All use cases of the organisation, by name. */
  useCases(
    organisationId: Id<"organisation">,
  ): Promise<readonly { readonly id: string; readonly name: string; readonly createdAt: number }[]>;
  /** Teams and use cases by id or name, for whatever belongs to one. */
  readonly places: PlaceDirectory;
  /** True when a binding gives the role now, for one of these scopes. */
  holdsRole(
    organisationId: Id<"organisation">,
    principalId: string,
    role: string,
    scopeIds: readonly string[],
  ): Promise<boolean>;
  /** Roles that a principal holds in an environment at one of these scopes. */
  rolesAt(
    organisationId: Id<"organisation">,
    principalId: string,
    environment: Environment,
    scopeIds: readonly string[],
  ): Promise<string[]>;
  /**
   * Whether work may go on in the name of whoever once called: neither the principal nor the API key was disabled or revoked since. That the
   * credential ran out does not count.
   */
  isActive(actor: Actor): Promise<boolean>;
  /** The name of an organisation, which never changes. */
  organisationName(organisationId: Id<"organisation">): Promise<string>;
  /** Ids of all organisations of this installation. */
  organisations(): Promise<readonly Id<"organisation">[]>;
}

/** What other domains ask of the directory, wired by `apps/control`; decisions about callers stay with the authorizer. */
export function createDirectoryLookups(unitOfWork: UnitOfWork): DirectoryLookups {
  const callOf = (organisationId: Id<"organisation">): CallContext => ({
    actor: systemActor("directory", organisationId),
    requestId: newId("request", systemClock.now()),
  });
  return {
    findUseCase: (organisationId, idOrName) =>
      unitOfWork.read(callOf(organisationId), async (sql) => {
        const path = await findUseCasePath(sql, organisationId, idOrName);
        return path && placeOf(path, await namesOf(sql, path));
      }),
    tenant: (organisationId, kind, idOrName) =>
      unitOfWork.read(callOf(organisationId), (sql) => findTenant(sql, organisationId, kind, idOrName)),
    ...useCaseLookups(unitOfWork, callOf),
    places: {
      find: (organisationId, named) =>
        unitOfWork.read(callOf(organisationId), (sql) => findPlace(sql, organisationId, named)),
    },
    holdsRole: (organisationId, principalId, role, scopeIds) =>
      unitOfWork.read(callOf(organisationId), async (sql) => {
        const bindings = await listBindings(sql, organisationId, principalId);
        return bindings.some((binding) => binding.role === role && scopeIds.includes(binding.scope_id));
      }),
    rolesAt: (organisationId, principalId, environment, scopeIds) =>
      unitOfWork.read(callOf(organisationId), async (sql) => {
        const bindings = await listBindings(sql, organisationId, principalId);
        const there = bindings.filter(
          ({ environments, scope_id: scope }) =>
            environments.includes(environment) && scopeIds.includes(scope),
        );
        return [...new Set(there.map(({ role }) => role))];
      }),
    isActive: ({ id, organisationId, credential }) =>
      unitOfWork.read(callOf(organisationId), async (sql) => {
        const principal = await findPrincipal(sql, organisationId, id);
        if (principal?.id !== id || principal.disabledAt !== undefined) return false;
        if (credential?.kind !== "api_key") return true;
        const key = await findApiKeyRow(sql, credential.id);
        return key !== undefined && key.revoked_at === null;
      }),
    organisationName: (organisationId) =>
      unitOfWork.look(callOf(organisationId), async (sql) => {
        const row = await identityTables(sql)
          .selectFrom("identity.organisations")
          .select("name")
          .where("id", "=", organisationId)
          .executeTakeFirstOrThrow();
        return row.name;
      }),
    organisations: () =>
      unitOfWork.look(callOf("org_" as Id<"organisation">), async (sql) => {
        const rows = await identityTables(sql)
          .selectFrom("identity.organisations")
          .select("id")
          .orderBy("id")
          .execute();
        return rows.map((row) => row.id as Id<"organisation">);
      }),
  };
}

function useCaseLookups(
  unitOfWork: UnitOfWork,
  callOf: (organisationId: Id<"organisation">) => CallContext,
): Pick<DirectoryLookups, "useCaseName" | "useCases"> {
  return {
    useCaseName: (organisationId, idOrName) =>
      unitOfWork.read(callOf(organisationId), (sql) => findUseCaseName(sql, organisationId, idOrName)),
    useCases: (organisationId) =>
      unitOfWork.read(callOf(organisationId), (sql) => listUseCaseNames(sql, organisationId)),
  };
}

/** Both named: the use case must be the team's. */
async function findPlace(
  sql: Parameters<typeof identityTables>[0],
  organisationId: string,
  named: WorkPlace,
): Promise<WorkPlace | undefined> {
  const team: WorkPlace | undefined =
    named.teamId === undefined ? {} : await findTeamPath(sql, organisationId, named.teamId);
  if (named.useCaseId === undefined || team === undefined) return team && teamOnly(team);
  const path = await findUseCasePath(sql, organisationId, named.useCaseId);
  if (path?.useCaseId === undefined || path.teamId === undefined) return undefined;
  if (team.teamId !== undefined && team.teamId !== path.teamId) return undefined;
  return { teamId: path.teamId, useCaseId: path.useCaseId };
}

function teamOnly({ teamId }: WorkPlace): WorkPlace {
  return teamId === undefined ? {} : { teamId };
}

async function namesOf(
  sql: Parameters<typeof identityTables>[0],
  path: ScopePath,
): Promise<{ unit: string; team: string }> {
  const row = await identityTables(sql)
    .selectFrom("identity.teams as t")
    .innerJoin("identity.business_units as b", "b.id", "t.business_unit_id")
    .select(["t.name as team", "b.name as unit"])
    .where("t.id", "=", path.teamId ?? "")
    .executeTakeFirst();
  return { unit: row?.unit ?? "", team: row?.team ?? "" };
}

function placeOf(path: ScopePath, names: { unit: string; team: string }): UseCasePlace | undefined {
  const { useCaseId, businessUnitId, teamId } = path;
  if (useCaseId === undefined || businessUnitId === undefined || teamId === undefined) return undefined;
  return { useCaseId, businessUnitId, businessUnit: names.unit, teamId, team: names.team };
}
