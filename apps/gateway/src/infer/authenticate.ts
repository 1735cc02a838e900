import type { GatewayApiKey, GatewayIssuer } from "@portolan/identity/contract";
import {
  actionInScope,
  bearerCredential,
  createTokenVerifier,
  looksLikeApiKey,
  parseApiKey,
  verifyApiKey,
} from "@portolan/identity/policy";
import type { Clock, Environment } from "@portolan/kernel";
import type { PresentedCertificate } from "../limits/client-certificates.ts";
import { type ServingState, subjectKey } from "../snapshot/serving-state.ts";

export interface Caller {
  readonly principalId: string;
  readonly environments: readonly Environment[];
  readonly scopes?: readonly string[];
  /** Epoch microseconds from which on the credential has to be looked at again. */
  readonly untilMicros: number;
}

export type Authentication =
  | { readonly kind: "known"; readonly caller: Caller }
  /** `reason` is for logs; callers learn only that their credential was not accepted. */
  | { readonly kind: "unknown"; readonly reason: string };

/** Where a request came from, for what is decided by that. */
export interface CredentialSource {
  readonly remoteAddress: string;
  /** The socket, where the protocol has one per caller. */
  readonly connection?: object;
  /** The certificate, where the protocol keeps its sockets to itself. */
  readonly certificate?: (() => PresentedCertificate | undefined) | undefined;
}

/** Verifies credentials from the snapshot alone: no network, no database. */
export interface Authenticator {
  /** True when a token was verified before and may still count. */
  remembers(text: string): boolean;
  authenticate(
    authorization: string | undefined,
    state: ServingState,
    source?: CredentialSource,
  ): Promise<Authentication>;
}

export function createAuthenticator(clock: Clock, current: () => ServingState | undefined): Authenticator {
  const verifier = createTokenVerifier({
    clock,
    issuers: () => issuersOf(current()),
    revocationEpoch: () => Math.max(0, ...grantsOf(current()).map((index) => index.grants.revocationEpoch)),
    isRevoked: (token) =>
      token.tokenId !== undefined &&
      grantsOf(current()).some((index) => index.revokedTokens.has(token.tokenId ?? "")),
  });

  function apiKey(text: string, state: ServingState): Authentication {
    const parsed = parseApiKey(text);
    const index = parsed && state.grants.get(parsed.environment);
    const verdict = verifyApiKey(text, (keyId) => index?.apiKeys.get(keyId), clock.now());
    if (verdict.kind === "refused") return { kind: "unknown", reason: verdict.reason };
    if (!index?.principals.has(verdict.principalId)) return { kind: "unknown", reason: "principal" };
    return {
      kind: "known",
      caller: {
        principalId: verdict.principalId,
        environments: [verdict.environment],
        untilMicros: keyEnd(index.apiKeys.get(verdict.keyId)),
        ...(verdict.scopes === undefined ? {} : { scopes: verdict.scopes }),
      },
    };
  }

  async function token(text: string, state: ServingState): Promise<Authentication> {
    const verdict = await verifier.verify(text);
    if (verdict.kind === "refused") return { kind: "unknown", reason: verdict.reason };
    const { issuer, subject, environments, scopes, issuedAt, expiresAt } = verdict.token;
    const reached = environments.filter((environment) => {
      const principal = state.grants.get(environment)?.principalsBySubject.get(subjectKey(issuer, subject));
      return principal && !(principal.tokensNotBefore !== undefined && issuedAt < principal.tokensNotBefore);
    });
    const first = reached[0];
    const principal = first && state.grants.get(first)?.principalsBySubject.get(subjectKey(issuer, subject));
    if (!principal) return { kind: "unknown", reason: "principal" };
    return {
      kind: "known",
      caller: {
        principalId: principal.id,
        environments: reached,
        untilMicros: expiresAt,
        ...(scopes === undefined ? {} : { scopes }),
      },
    };
  }

  return {
    remembers: (text) => verifier.remembers(text),
    async authenticate(authorization, state) {
      const text = bearerCredential(authorization);
      if (text === undefined)
        return { kind: "unknown", reason: authorization === undefined ? "missing" : "scheme" };
      return looksLikeApiKey(text) ? apiKey(text, state) : token(text, state);
    },
  };
}

/** A key may be revoked as of an instant to come. */
function keyEnd(key: GatewayApiKey | undefined): number {
  return key ? Math.min(key.expiresAt, key.revokedAt ?? Number.POSITIVE_INFINITY) : 0;
}

/** True when the credential covers predictions and the policy set granted this endpoint to the principal. */
export function mayPredict(
  state: ServingState,
  caller: Caller,
  environment: Environment,
  endpoint: string,
): boolean {
  return (
    caller.environments.includes(environment) &&
    actionInScope(caller.scopes, "serving:predict") &&
    state.grants.get(environment)?.allowed.get(endpoint)?.has(caller.principalId) === true
  );
}

/** True when the credential and the policy set let the caller say whom it acts for at this endpoint. */
export function mayActFor(
  state: ServingState,
  caller: Caller,
  environment: Environment,
  endpoint: string,
): boolean {
  return (
    actionInScope(caller.scopes, "identity:act_for") &&
    state.grants.get(environment)?.actors.get(endpoint)?.has(caller.principalId) === true
  );
}

/** True when the credential and the policy set let the caller read the features of this endpoint without a prediction. */
export function mayReadFeatures(
  state: ServingState,
  caller: Caller,
  environment: Environment,
  endpoint: string,
): boolean {
  return (
    caller.environments.includes(environment) &&
    actionInScope(caller.scopes, "features:read_online") &&
    state.grants.get(environment)?.readers.get(endpoint)?.has(caller.principalId) === true
  );
}

/** True when the policies on data let the caller read all of the endpoint's features, as they are, for the purpose. */
export function mayReadFor(
  state: ServingState,
  { principalId }: Caller,
  { environment, endpoint }: { readonly environment: Environment; readonly endpoint: string },
  purpose: string | undefined,
): boolean {
  const purposes = state.grants.get(environment)?.readers.get(endpoint)?.get(principalId);
  return purpose !== undefined && purposes?.has(purpose) === true;
}

function grantsOf(state: ServingState | undefined) {
  return [...(state?.grants.values() ?? [])];
}

const issuerLists = new WeakMap<ServingState, GatewayIssuer[]>();

/** The same issuer stands in every environment's grants; the verifier wants it once. */
function issuersOf(state: ServingState | undefined): GatewayIssuer[] {
  if (!state) return [];
  const known = issuerLists.get(state);
  if (known) return known;
  const unique = new Map<string, GatewayIssuer>();
  for (const { grants } of grantsOf(state))
    for (const issuer of grants.issuers)
      unique.set(`${issuer.issuer}\u0000${issuer.audiences.join("\u0000")}`, issuer);
  const list = [...unique.values()];
  issuerLists.set(state, list);
  return list;
}
