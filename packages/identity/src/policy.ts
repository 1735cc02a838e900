export {
  type ApiKeyVerdict,
  looksLikeApiKey,
  parseApiKey,
  type StoredApiKey,
  verifyApiKey,
} from "./api-key-text.ts";
export { bearerCredential } from "./bearer-credential.ts";
export { actionInScope, decideAtGateway } from "./gateway-grants.ts";
export { possessionStatement } from "./possession.ts";
export {
  isTrustDomain,
  judgeSvid,
  parseSpiffeId,
  type SpiffeId,
  type SvidVerdict,
  spiffeIssuer,
} from "./spiffe.ts";
export { requireGuardedMetrics, requireTls, type TlsFiles } from "./tls.ts";
export type { FetchJwks } from "./tokens/issuer-keys.ts";
export type { VerifiedToken } from "./tokens/token-claims.ts";
export {
  createTokenVerifier,
  type TokenRefusal,
  type TokenVerdict,
  type TokenVerifier,
  type TokenVerifierDeps,
} from "./tokens/token-verifier.ts";
export { tokenAlgorithms } from "./tokens/trusted-issuer.ts";
