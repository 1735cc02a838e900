import type { AddressRules } from "@portolan/kernel";
import type { BootstrapDeps } from "../bootstrap.ts";
import type { DevelopmentIssuer } from "../development-issuer.ts";
import type { DirectoryDeps } from "../directory.ts";
import type { ManagedKeyRing } from "../key-ring.ts";
import type { IssuerKeys } from "../tokens/issuer-keys.ts";

/** What the routes of this package are wired with. */
export interface IdentityRouteDeps extends DirectoryDeps, BootstrapDeps {
  readonly keyRing: ManagedKeyRing;
  readonly developmentIssuer: DevelopmentIssuer;
  /** Where keys of outside issuers may be fetched from. */
  readonly addresses: AddressRules;
  /** Keys of outside issuers, to show how old the last good ones are. */
  readonly issuerKeys: IssuerKeys;
}
