import type { BootstrapDeps } from "../bootstrap.ts";
import type { DevelopmentIssuer } from "../development-issuer.ts";
import type { DirectoryDeps } from "../directory.ts";
import type { ManagedKeyRing } from "../key-ring.ts";

/** What the routes of this package are wired with. */
export interface IdentityRouteDeps extends DirectoryDeps, BootstrapDeps {
  readonly keyRing: ManagedKeyRing;
  readonly developmentIssuer: DevelopmentIssuer;
}
