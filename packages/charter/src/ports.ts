import type { Id, SigningKey } from "@portolan/kernel";
import type { SigningRole } from "./document.ts";

/** Finds registered keys; `identity`'s key ring is one. Retired and revoked keys are found too. */
export interface SigningKeyLookup {
  find(keyId: string): Promise<SigningKey | undefined>;
}

/** A use case as `identity` knows it. */
export interface RegisteredUseCase {
  readonly useCaseId: string;
  readonly businessUnitId: string;
  /** Name of the business unit, as charters write it. */
  readonly businessUnit: string;
  readonly teamId: string;
  readonly team: string;
}

export interface UseCaseDirectory {
  find(organisationId: Id<"organisation">, name: string): Promise<RegisteredUseCase | undefined>;
}

export interface RoleLookup {
  /** True when the person holds the role, now, for the use case or for a unit above it. */
  holdsRole(
    userId: string,
    role: SigningRole,
    scope: {
      readonly organisationId: Id<"organisation">;
      readonly businessUnitId: string;
      readonly teamId: string;
      readonly useCaseId: string;
    },
  ): Promise<boolean>;
}
