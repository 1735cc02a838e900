import type { Sql } from "@portolan/kernel";
import {
  findBusinessUnitPath,
  findTeamPath,
  findUseCaseName,
  findUseCasePath,
  type ScopePath,
} from "./directory-store.ts";
import { identityTables } from "./store.ts";

/** A use case, team or business unit with those it belongs to, by id and by name; what is narrower is empty. */
export interface TenantNames {
  readonly businessUnitId: string;
  readonly businessUnit: string;
  readonly teamId: string;
  readonly team: string;
  readonly useCaseId: string;
  readonly useCase: string;
}

export type TenantKind = "useCase" | "team" | "businessUnit";

const finders = {
  useCase: findUseCasePath,
  team: findTeamPath,
  businessUnit: findBusinessUnitPath,
} as const satisfies Record<
  TenantKind,
  (sql: Sql, organisationId: string, idOrName: string) => Promise<ScopePath | undefined>
>;

export async function findTenant(
  sql: Sql,
  organisationId: string,
  kind: TenantKind,
  idOrName: string,
): Promise<TenantNames | undefined> {
  const path = await finders[kind](sql, organisationId, idOrName);
  if (!path) return undefined;
  const { businessUnitId = "", teamId = "", useCaseId = "" } = path;
  const nameIn = async (table: "identity.business_units" | "identity.teams", id: string) =>
    (await identityTables(sql).selectFrom(table).select("name").where("id", "=", id).executeTakeFirst())
      ?.name ?? "";
  const useCase = useCaseId === "" ? undefined : await findUseCaseName(sql, organisationId, useCaseId);
  return {
    businessUnitId,
    businessUnit: await nameIn("identity.business_units", businessUnitId),
    teamId,
    team: teamId === "" ? "" : await nameIn("identity.teams", teamId),
    useCaseId,
    useCase: useCase?.name ?? "",
  };
}
