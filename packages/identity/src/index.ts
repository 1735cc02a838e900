import type { MigrationSet } from "@portolan/kernel";

export { type AccessEpoch, createAccessEpoch } from "./access-epoch.ts";
export { type NewApiKey } from "./api-keys.ts";
export {
  type Authentication,
  type Authenticator,
  type AuthenticatorDeps,
  createAuthenticator,
} from "./authenticator.ts";
export { policyDocumentation } from "./authorization/policy-documentation.ts";
export { checkPolicies, type PolicyFile } from "./authorization/policy-files.ts";
export { PolicyTestFile, type PolicyTestResult, runPolicyTests } from "./authorization/policy-tests.ts";
export { type AuthorizerDeps, createAuthorizer, type IdentityAuthorizer } from "./authorizer.ts";
export { createDecisionMemory, type DecisionMemory } from "./decision-memory.ts";
export {
  createDevelopmentIssuer,
  type DevelopmentIssuer,
  type DevelopmentIssuerDeps,
  type IssuedToken,
  type TokenRequest,
} from "./development-issuer.ts";
export { createDirectoryLookups, type DirectoryLookups, type UseCasePlace } from "./directory-lookups.ts";
export { identityErrors } from "./errors.ts";
export { identityFacts } from "./facts-store.ts";
export { createJwksFetcher } from "./fetch-jwks.ts";
export { type AuthenticationDeps, registerAuthentication } from "./http/authentication.ts";
export { createIssuerKeyStore } from "./issuer-key-store.ts";
export { listTrustedIssuers } from "./issuers.ts";
export { algorithmOf, createFileKeyRing, type FileKeyRingDeps, type ManagedKeyRing } from "./key-ring.ts";
export { localCredentialFile, openLocalCredential } from "./local-credential.ts";
export { retireLostKeys } from "./lost-keys.ts";
export type { Denial, OnDenied, RunTokens } from "./ports.ts";
export { possessionStatement } from "./possession.ts";
export { registerIdentityRoutes } from "./routes/register.ts";
export type { IdentityRouteDeps } from "./routes/route-deps.ts";
export { type GrantedEndpoint, grantsForSnapshot, type SnapshotGrantsDeps } from "./snapshot-grants.ts";
export { findHomeOrganisation } from "./store.ts";
export { requireGuardedMetrics, requireTls, type TlsFiles } from "./tls.ts";
export { createIssuerKeys, type IssuerKeys } from "./tokens/issuer-keys.ts";

export const identityMigrations: MigrationSet = {
  package: "identity",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};
