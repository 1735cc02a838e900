import { hash } from "node:crypto";
import { type Clock, microsPerSecond } from "@portolan/kernel";
import { type CryptoKey, compactVerify, importJWK, type JWK } from "jose";
import { type ParsedToken, type ParseRefusal, parseCompactToken, type TokenHeader } from "./compact-token.ts";
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
  /** Keys that others use too; else the verifier keeps its own. */
  readonly keys?: IssuerKeys;
  /** The organisation's revocation epoch; a remembered verification ends when it changes. */
  revocationEpoch?(organisationId: string): number;
  /**
   * Whether the token's subject is somebody in its organisation. Asked only when the keys of several organisations verify
   * one token, because they trust the same provider.
   */
  isMember?(token: VerifiedToken): Promise<boolean>;
  /** True when this token was revoked by its `jti`. */
  isRevoked?(token: VerifiedToken): boolean;
  /** Verified tokens to remember; default 10,000. */
  readonly maxRemembered?: number;
}

export interface TokenVerifier {
  /** True when the token was verified before and may still count: `verify` then costs no signature. Waits for nobody. */
  remembers(text: string): boolean;
  /** Never throws for a bad token. */
  verify(text: string): Promise<TokenVerdict>;
}

/** A token as one organisation's issuer vouches for it, and the key that says so. */
interface Verified {
  readonly kind: "verified";
  readonly token: VerifiedToken;
  readonly key: string;
}
type Refused = Extract<TokenVerdict, { kind: "refused" }>;

/** Verification of a token that is not remembered. */
function createVerification(deps: TokenVerifierDeps, keys: IssuerKeys) {
  const importOnce = createKeyImports();

  async function verifyFor(
    issuer: TrustedIssuer,
    parsed: Extract<ParsedToken, { kind: "parsed" }>,
    text: string,
  ): Promise<Verified | Refused> {
    if (!issuer.algorithms.includes(parsed.header.algorithm)) {
      return refuse("algorithm", `this issuer does not sign with ${parsed.header.algorithm}`);
    }
    const choice = await findKey(keys, issuer, parsed.header);
    if (choice.kind === "refused") return refuse(choice.reason, "no key of the issuer fits");
    // Issuer, key and claims come first: what would be refused anyway costs no signature.
    const verdict = judgeClaims(parsed.header, parsed.claims, issuer, deps.clock.now());
    if (verdict.kind === "refused") return verdict;
    try {
      const key = await importOnce(choice.key, parsed.header.algorithm);
      await compactVerify(text, key, { algorithms: [parsed.header.algorithm] });
    } catch {
      return refuse("signature", "the signature does not verify");
    }
    return { kind: "verified", token: verdict.token, key: printOf(choice.key) };
  }

  /** Each organisation that the token may mean tries it with its own keys: what one of them trusts shuts out no other. */
  return async (text: string): Promise<Verified | Refused> => {
    const parsed = parseCompactToken(text);
    if (parsed.kind === "refused") return parsed;
    const issuers = addressedIssuers(deps.issuers(), parsed.claims["iss"], parsed.claims["aud"]);
    if (typeof issuers === "string") return refuse(issuers, "issuer or audience is not ours");
    const verdicts = await Promise.all(issuers.map((issuer) => verifyFor(issuer, parsed, text)));
    const verified = verdicts.filter((verdict) => verdict.kind === "verified");
    const first = verified[0] ?? verdicts[0];
    if (!first) return refuse("audience", "issuer or audience is not ours");
    if (verified.length < 2 || !deps.isMember) return first;
    // The issuers come in the order in which they were trusted: a later one never takes from an earlier one.
    for (const one of verified) if (await deps.isMember(one.token)) return one;
    return first;
  };
}

/**
 * Verifies access tokens (RFC 8725, RFC 9068): the issuer is found by exact comparison, the algorithm is one that
 * this issuer is pinned to, the key is the issuer's own. Nothing in a token can choose any of the three.
 */
export function createTokenVerifier(deps: TokenVerifierDeps): TokenVerifier {
  const keys = deps.keys ?? createIssuerKeys(deps.clock, deps.fetchJwks);
  const remembered = createMemory(deps.maxRemembered ?? 10_000);
  const epochOf = (organisationId: string): number => deps.revocationEpoch?.(organisationId) ?? 0;

  const verifyAnew = createVerification(deps, keys);
  const isFresh = ({ epoch, token }: Remembered): boolean =>
    epoch === epochOf(token.organisationId) &&
    deps.clock.now() < token.expiresAt + maxSkewSeconds * microsPerSecond;

  /** A key that left its issuer's set takes along what it verified; so does an issuer that is trusted no more. */
  async function keyCounts({ token, key }: Remembered): Promise<boolean> {
    const issuer = deps
      .issuers()
      .find((one) => one.issuer === token.issuer && one.organisationId === token.organisationId);
    const set = issuer && (await keys.keysOf(issuer));
    return set?.keys.some((one) => printOf(one) === key) ?? false;
  }

  return {
    remembers(text) {
      const known = remembered.get(idOf(text));
      return known !== undefined && isFresh(known);
    },
    async verify(text) {
      const id = idOf(text);
      const known = remembered.get(id);
      const good = known && isFresh(known) && (await keyCounts(known));
      const verdict = good ? { kind: "verified" as const, ...known } : await verifyAnew(text);
      if (verdict.kind === "refused") {
        remembered.delete(id);
        return verdict;
      }
      const { token, key } = verdict;
      if (deps.isRevoked?.(token)) return refuse("revoked", "this token was revoked");
      if (!good) remembered.set(id, { token, key, epoch: epochOf(token.organisationId) });
      return { kind: "verified", token };
    },
  };
}

/** Tokens are remembered by their hash: memory holds no credential. */
function idOf(text: string): string {
  return hash("sha256", text, "base64url");
}

function createKeyImports() {
  const imported = new WeakMap<object, Map<TokenAlgorithm, Promise<CryptoKey | Uint8Array>>>();
  return (key: Readonly<Record<string, unknown>>, algorithm: TokenAlgorithm) => {
    const known = imported.get(key) ?? new Map<TokenAlgorithm, Promise<CryptoKey | Uint8Array>>();
    imported.set(key, known);
    const pending = known.get(algorithm) ?? importJWK(key as JWK, algorithm);
    known.set(algorithm, pending);
    return pending;
  };
}

const prints = new WeakMap<object, string>();

/** A published key as text: a set that is fetched again holds other objects, and the same keys. */
function printOf(key: Readonly<Record<string, unknown>>): string {
  const known = prints.get(key);
  if (known !== undefined) return known;
  const made = JSON.stringify(key);
  prints.set(key, made);
  return made;
}

function addressedIssuers(
  issuers: readonly TrustedIssuer[],
  iss: unknown,
  aud: unknown,
): TrustedIssuer[] | "unknown_issuer" | "audience" {
  const named = issuers.filter((issuer) => issuer.issuer === iss);
  if (named.length === 0) return "unknown_issuer";
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud.slice(0, 32) : [aud];
  const addressed = named.filter((issuer) => issuer.audiences.some((ours) => audiences.includes(ours)));
  return addressed.length > 0 ? addressed : "audience";
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
  readonly key: string;
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

function refuse(reason: TokenRefusal, detail: string): Refused {
  return { kind: "refused", reason, detail };
}
