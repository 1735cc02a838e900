import type { Environment } from "@portolan/kernel";
import type { TrustedIssuer } from "./tokens/trusted-issuer.ts";

/** The issuer as a gateway needs it: with its keys inline, since a gateway fetches nothing. */
export type GatewayIssuer = TrustedIssuer & { readonly jwks: { readonly keys: readonly JsonWebKeyText[] } };

/** A public JSON Web Key as published; checked before use. */
export type JsonWebKeyText = Readonly<Record<string, unknown>>;

export interface GatewayPrincipal {
  readonly id: string;
  readonly kind: "user" | "service_account";
  /** The one business unit that all its roles here lie in; absent when they lie in several, or in the organisation. */
  readonly businessUnitId?: string;
  /** Roles that it holds in the environment, wherever, sorted; absent: none. */
  readonly roles?: readonly string[];
  /** Teams, business units, use cases and the organisation in which it holds them, sorted; absent: none. */
  readonly groups?: readonly string[];
  /** Identities at outside issuers. */
  readonly subjects: readonly { readonly issuer: string; readonly subject: string }[];
  /** Tokens issued before this instant (epoch microseconds) no longer count. */
  readonly tokensNotBefore?: number;
}

export interface GatewayApiKey {
  readonly id: string;
  /** Lower-case hex. */
  readonly secretSha256: string;
  readonly principalId: string;
  readonly environment: Environment;
  /** Action patterns; absent: the principal's full rights. */
  readonly scopes?: readonly string[];
  /** Epoch microseconds. */
  readonly expiresAt: number;
  readonly revokedAt?: number;
}

export interface GatewayEndpointGrant {
  readonly endpoint: string;
  readonly environment: Environment;
  /** Principals that the policy set lets call `serving:predict` here, sorted. */
  readonly principals: readonly string[];
  /** Those of them that may name somebody else as the one they act for (`identity:act_for`), sorted. */
  readonly actors: readonly string[];
  /** Principals that may read the features that it reads, without a prediction (`features:read_online`), sorted; absent where it reads none. */
  readonly readers?: readonly string[];
  /** What for the policies on data let each of them read all of these features as they are; nothing where it is absent. */
  readonly readPurposes?: Readonly<Record<string, readonly string[]>>;
}

/** Everything that a gateway needs to decide alone, for one organisation and environment. Plain JSON. */
export interface GatewayGrants {
  readonly organisationId: string;
  readonly environment: Environment;
  /** Increases with every revocation; caches of verified tokens end with it. */
  readonly revocationEpoch: number;
  readonly issuers: readonly GatewayIssuer[];
  readonly principals: readonly GatewayPrincipal[];
  readonly apiKeys: readonly GatewayApiKey[];
  /** `jti` of tokens revoked one by one. */
  readonly revokedTokens: readonly string[];
  readonly endpoints: readonly GatewayEndpointGrant[];
}

/** Who calls, as the gateway's authentication found it. */
export interface GatewayCaller {
  readonly principalId: string;
  readonly environments: readonly Environment[];
  readonly scopes?: readonly string[];
}

export type GatewayDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: "environment" | "scope" | "unknown_endpoint" | "no_grant" };

/**
 * Decides `serving:predict` from a snapshot's grants; pure. The control process ran the policy set when it
 * made the grants, so the answer here is a lookup. `unknown_endpoint` and `no_grant` must look alike to the caller.
 */
export function decideAtGateway(
  grants: GatewayGrants,
  caller: GatewayCaller,
  endpoint: string,
  environment: Environment,
): GatewayDecision {
  if (grants.environment !== environment || !caller.environments.includes(environment)) {
    return { allowed: false, reason: "environment" };
  }
  if (!actionInScope(caller.scopes, "serving:predict")) return { allowed: false, reason: "scope" };
  const grant = grants.endpoints.find(
    (entry) => entry.endpoint === endpoint && entry.environment === environment,
  );
  if (!grant) return { allowed: false, reason: "unknown_endpoint" };
  return grant.principals.includes(caller.principalId)
    ? { allowed: true }
    : { allowed: false, reason: "no_grant" };
}

/** True when a credential's scopes cover the action. A scope is an action or a whole domain, `registry:*`. */
export function actionInScope(scopes: readonly string[] | undefined, action: string): boolean {
  if (scopes === undefined) return true;
  const domain = action.slice(0, action.indexOf(":"));
  return scopes.includes(action) || scopes.includes(`${domain}:*`);
}
