import { createHash } from "node:crypto";
import { type Clock, microsPerSecond } from "@portolan/kernel";
import { type CryptoKey, compactVerify, importJWK, type JWK } from "jose";
import { type ParseRefusal, parseCompactToken, type TokenHeader } from "./compact-token.ts";
import { createIssuerKeys, type FetchJwks, type IssuerKeys } from "./issuer-keys.ts";
import { type ClaimRefusal, judgeClaims, maxSkewSeconds, type VerifiedToken } from "./token-claims.ts";
import type { TokenAlgorithm, TrustedIssuer } from "./trusted-issuer.ts";
import { chooseKey, type KeyChoice } from "./verification-keys.ts";

export type TokenRefusal =
  | ParseRefusal
  | ClaimRefusal
  | (KeyChoice & { kind: "refused" })["reason"]
  | "unknown_issuer"
  | "audience"
  | "no_keys"
  | "signature"
  | "revoked";

export type TokenVerdict =
  | { readonly kind: "verified"; readonly token: VerifiedToken }
  /** For logs and the ledger; the caller of the API only ever learns that the credential was not accepted. */
  | { readonly kind: "refused"; readonly reason: TokenRefusal; readonly detail: string };

export interface TokenVerifierDeps {
  /** The issuers trusted now; asked at every verification, so that changes need no new verifier. */
  issuers(): readonly TrustedIssuer[];
  readonly clock: Clock;
  /** Absent: only keys given in place are used, as in the gateway. */
  readonly fetchJwks?: FetchJwks;
  /** The organisation's revocation epoch; a remembered verification ends when it changes. */
  revocationEpoch?(organisationId: string): number;
  /** True when this token was revoked by its `jti`. */
  isRevoked?(token: VerifiedToken): boolean;
  /** Verified tokens to remember; default 10,000. */
  readonly maxRemembered?: number;
}

export interface TokenVerifier {
  /** Never throws for a bad token. */
  verify(text: string): Promise<TokenVerdict>;
}

/**
 * Verifies access tokens (RFC 8725, RFC 9068): the issuer is found by exact comparison, the algorithm is one that
 * this issuer is pinned to, the key is the issuer's own. Nothing in a token can choose any of the three.
 */
export function createTokenVerifier(deps: TokenVerifierDeps): TokenVerifier {
  const keys = createIssuerKeys(deps.clock, deps.fetchJwks);
  const imported = new WeakMap<object, Map<TokenAlgorithm, Promise<CryptoKey | Uint8Array>>>();
  const remembered = createMemory(deps.maxRemembered ?? 10_000);
  const epochOf = (organisationId: string): number => deps.revocationEpoch?.(organisationId) ?? 0;

  function importOnce(key: Readonly<Record<string, unknown>>, algorithm: TokenAlgorithm) {
    const known = imported.get(key) ?? new Map<TokenAlgorithm, Promise<CryptoKey | Uint8Array>>();
    imported.set(key, known);
    const pending = known.get(algorithm) ?? importJWK(key as JWK, algorithm);
    known.set(algorithm, pending);
    return pending;
  }

  async function verifyAnew(text: string): Promise<TokenVerdict> {
    const parsed = parseCompactToken(text);
    if (parsed.kind === "refused") return parsed;
    const issuer = findIssuer(deps.issuers(), parsed.claims["iss"], parsed.claims["aud"]);
    if (typeof issuer === "string") return refuse(issuer, "issuer or audience is not ours");
    if (!issuer.algorithms.includes(parsed.header.algorithm)) {
      return refuse("algorithm", `this issuer does not sign with ${parsed.header.algorithm}`);
    }
    const choice = await findKey(keys, issuer, parsed.header);
    if (choice.kind === "refused") return refuse(choice.reason, "no key of the issuer fits");
    try {
      const key = await importOnce(choice.key, parsed.header.algorithm);
      await compactVerify(text, key, { algorithms: [parsed.header.algorithm] });
    } catch {
      return refuse("signature", "the signature does not verify");
    }
    const verdict = judgeClaims(parsed.header, parsed.claims, issuer, deps.clock.now());
    return verdict.kind === "refused" ? verdict : { kind: "verified", token: verdict.token };
  }

  return {
    async verify(text) {
      const id = createHash("sha256").update(text).digest("base64url");
      const known = remembered.get(id);
      const now = deps.clock.now();
      const good =
        known &&
        known.epoch === epochOf(known.token.organisationId) &&
        now < known.token.expiresAt + maxSkewSeconds * microsPerSecond;
      const verdict: TokenVerdict = good ? { kind: "verified", token: known.token } : await verifyAnew(text);
      if (verdict.kind === "refused") {
        remembered.delete(id);
        return verdict;
      }
      if (deps.isRevoked?.(verdict.token)) return refuse("revoked", "this token was revoked");
      if (!good) remembered.set(id, { token: verdict.token, epoch: epochOf(verdict.token.organisationId) });
      return verdict;
    },
  };
}

function findIssuer(
  issuers: readonly TrustedIssuer[],
  iss: unknown,
  aud: unknown,
): TrustedIssuer | "unknown_issuer" | "audience" {
  const named = issuers.filter((issuer) => issuer.issuer === iss);
  if (named.length === 0) return "unknown_issuer";
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud.slice(0, 32) : [aud];
  const addressed = named.filter((issuer) => issuer.audiences.some((ours) => audiences.includes(ours)));
  // Two organisations may share an issuer, but then the audience must say which one is meant.
  return addressed.length === 1 && addressed[0] ? addressed[0] : "audience";
}

async function findKey(
  keys: IssuerKeys,
  issuer: TrustedIssuer,
  header: TokenHeader,
): Promise<KeyChoice | { kind: "refused"; reason: "no_keys" }> {
  const set = await keys.keysOf(issuer);
  const choice = set && chooseKey(set, header.algorithm, header.keyId);
  if (choice && (choice.kind === "chosen" || choice.reason !== "unknown_key")) return choice;
  const again = await keys.refetch(issuer);
  return again ? chooseKey(again, header.algorithm, header.keyId) : { kind: "refused", reason: "no_keys" };
}

interface Remembered {
  readonly token: VerifiedToken;
  readonly epoch: number;
}

/** The oldest entry leaves first; a `Map` keeps the order of insertion. */
function createMemory(capacity: number) {
  const entries = new Map<string, Remembered>();
  return {
    get: (id: string) => entries.get(id),
    delete: (id: string) => entries.delete(id),
    set(id: string, entry: Remembered): void {
      const oldest = entries.size >= capacity ? entries.keys().next().value : undefined;
      if (oldest !== undefined) entries.delete(oldest);
      entries.set(id, entry);
    },
  };
}

function refuse(reason: TokenRefusal, detail: string): TokenVerdict {
  return { kind: "refused", reason, detail };
}
