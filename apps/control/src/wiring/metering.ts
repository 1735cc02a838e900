import type { DirectoryLookups } from "@portolan/identity";
import type { MeteringDeps, Tenants } from "@portolan/metering";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface MeteringWiring {
  readonly metering: MeteringDeps;
}

/** What was used, by whom. */
export function wireMetering(base: Foundation, { authorizer, directory }: IdentityWiring): MeteringWiring {
  const { work, clock } = base;
  return { metering: { work, clock, authorizer, tenants: tenantsOf(directory) } };
}

/** Tenants as the directory knows them. */
export function tenantsOf(directory: DirectoryLookups): Tenants {
  return {
    useCase: (organisationId, idOrName) => directory.tenant(organisationId, "useCase", idOrName),
    team: (organisationId, idOrName) => directory.tenant(organisationId, "team", idOrName),
    businessUnit: (organisationId, idOrName) => directory.tenant(organisationId, "businessUnit", idOrName),
  };
}
