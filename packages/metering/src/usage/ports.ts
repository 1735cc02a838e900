import type { Id } from "@portolan/kernel";

/** A tenant's ids and names; what is not known is empty. */
export interface TenantPlace {
  readonly businessUnitId: string;
  readonly businessUnit: string;
  readonly teamId: string;
  readonly team: string;
  readonly useCaseId: string;
  readonly useCase: string;
}

/** Who there is in an organisation; `identity` knows. */
export interface Tenants {
  /** Undefined where there is no such use case. */
  useCase(organisationId: Id<"organisation">, idOrName: string): Promise<TenantPlace | undefined>;
  team(organisationId: Id<"organisation">, idOrName: string): Promise<TenantPlace | undefined>;
  businessUnit(organisationId: Id<"organisation">, idOrName: string): Promise<TenantPlace | undefined>;
}
