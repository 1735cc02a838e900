import type { QuotaDeps } from "@portolan/capacity";
import type { DirectoryLookups } from "@portolan/identity";
import type { Id } from "@portolan/kernel";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface CapacityWiring {
  readonly quotas: QuotaDeps;
}

/** Who may have how much of the cluster. */
export function wireCapacity(
  { work }: Foundation,
  { authorizer, directory }: IdentityWiring,
): CapacityWiring {
  return { quotas: { work, authorizer, tenants: quotaTenants(directory) } };
}

/** The directory finds by id too; a file of quotas names. */
function quotaTenants(directory: DirectoryLookups): QuotaDeps["tenants"] {
  return {
    hasBusinessUnit: async (organisationId, name) =>
      (await directory.tenant(organisationId as Id<"organisation">, "businessUnit", name))?.businessUnit ===
      name,
    unitOfTeam: async (organisationId, name) => {
      const found = await directory.tenant(organisationId as Id<"organisation">, "team", name);
      return found?.team === name ? found.businessUnit : undefined;
    },
  };
}
