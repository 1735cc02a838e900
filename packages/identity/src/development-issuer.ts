import { createPublicKey } from "node:crypto";
import {
  type CallContext,
  type Clock,
  type Environment,
  type Id,
  microsPerSecond,
  newId,
  PortolanError,
  type Secret,
  type SigningKey,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import { findPrincipal } from "./directory-store.ts";
import type { ManagedKeyRing } from "./key-ring.ts";
import { matchesSecret, reportWrongSecret } from "./local-credential.ts";
import type { OnDenied, RequestOrigin } from "./ports.ts";
import { findHomeOrganisation, identityTables } from "./store.ts";
import { maxLifetimeSeconds, scopesClaim } from "./tokens/token-claims.ts";
import type { JsonWebKeySet, TrustedIssuer } from "./tokens/trusted-issuer.ts";

export const tokenAudience = "portolan";
const environmentsClaim = "portolan_environments";
const organisationClaim = "portolan_organisation";
const defaultLifetimeSeconds = 3600;

export interface DevelopmentIssuerDeps {
  readonly unitOfWork: UnitOfWork;
  readonly clock: Clock;
  readonly keyRing: ManagedKeyRing;
  readonly localCredential: Secret;
  /** `iss` of its tokens: the address that control is reached at. */
  readonly issuer: string;
  /** Off: it publishes keys for tokens still about, and issues none. */
  readonly enabled: boolean;
  /** Told of wrong secrets: they are tries at the master key of the installation. */
  readonly onDenied: OnDenied;
}

export interface TokenRequest {
  /** The content of `local-credential`. */
  readonly secret: string;
  /** Id or name of a user or service account. */
  readonly principal: string;
  /** Name or id; by default the home organisation. */
  readonly organisation?: string;
  readonly environments: readonly Environment[];
  readonly scopes?: readonly string[];
  readonly lifetimeSeconds?: number;
}

export interface IssuedToken {
  readonly token: string;
  readonly principalId: string;
  readonly organisationId: string;
  /** Epoch microseconds. */
  readonly expiresAt: number;
}

export interface DevelopmentIssuer {
  readonly enabled: boolean;
  /** Its `iss`. */
  readonly issuer: string;
  /** @throws PortolanError `identity.dev_issuer_disabled`, `identity.unauthenticated` or `kernel.not_found` */
  issue(request: TokenRequest, origin?: RequestOrigin): Promise<IssuedToken>;
  /** The keys that its tokens verify with: the active one and those rotated within the last day. */
  keySet(): Promise<JsonWebKeySet>;
  /** OpenID discovery, as far as a verifier of its tokens needs it. */
  discovery(): Readonly<Record<string, unknown>>;
  /** The issuer as one organisation trusts it. */
  trustedBy(organisationId: string): Promise<TrustedIssuer>;
}

/** Short-lived tokens for whoever can read this machine's state folder. Made for laptops, demos and tests. */
export function createDevelopmentIssuer(deps: DevelopmentIssuerDeps): DevelopmentIssuer {
  async function keySet(): Promise<JsonWebKeySet> {
    const dayAgo = deps.clock.now() - maxLifetimeSeconds * microsPerSecond;
    const keys = await deps.keyRing.list("token");
    const counting = keys.filter(
      (key) => key.revokedAt === undefined && (key.retiredAt === undefined || key.retiredAt > dayAgo),
    );
    return { keys: counting.map(publicJwk) };
  }

  return {
    enabled: deps.enabled,
    issuer: deps.issuer,
    keySet,
    issue: (request, origin) => issueToken(deps, request, origin),
    discovery: () => ({
      issuer: deps.issuer,
      jwks_uri: `${deps.issuer}/.well-known/jwks.json`,
      token_endpoint: `${deps.issuer}/v1/dev/token`,
      response_types_supported: ["token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["EdDSA"],
    }),
    async trustedBy(organisationId) {
      return {
        issuer: deps.issuer,
        organisationId,
        // The audience carries the organisation, so that one issuer's tokens never count in two of them.
        audiences: [audienceOf(organisationId)],
        algorithms: ["EdDSA"],
        tokenType: "at+jwt",
        jwks: await keySet(),
        subjectClaim: "sub",
        environments: ["dev", "staging", "production"],
        environmentsClaim,
      };
    },
  };
}

export function audienceOf(organisationId: string): string {
  return `${tokenAudience}:${organisationId}`;
}

/** True for what only our own issuer may put into a token's audience. */
export function isOwnAudience(audience: string): boolean {
  return audience.startsWith(`${tokenAudience}:`);
}

async function issueToken(
  deps: DevelopmentIssuerDeps,
  request: TokenRequest,
  origin: RequestOrigin = {},
): Promise<IssuedToken> {
  if (!deps.enabled) {
    throw new PortolanError("identity.dev_issuer_disabled", {
      detail: "this installation issues no development tokens",
      mend: "Sign in at your identity provider, or use an API key.",
    });
  }
  const { requestId } = origin;
  if (!matchesSecret(deps.localCredential, request.secret)) {
    await reportWrongSecret(deps, "identity:dev_token", origin);
    throw new PortolanError("identity.unauthenticated", {
      detail: "the secret is not the one in the state folder",
      mend: "Read the file local-credential in the state folder of the control process.",
    });
  }
  const now = deps.clock.now();
  const { principal, organisationId } = await findTokenPrincipal(deps, request);
  const issuedAt = Math.floor(now / microsPerSecond);
  const lifetime = Math.min(request.lifetimeSeconds ?? defaultLifetimeSeconds, maxLifetimeSeconds);
  const claims = {
    iss: deps.issuer,
    aud: audienceOf(organisationId),
    sub: principal,
    jti: newId("request", now).slice("req_".length),
    iat: issuedAt,
    exp: issuedAt + lifetime,
    [organisationClaim]: organisationId,
    [environmentsClaim]: [...request.environments],
    ...(request.scopes === undefined ? {} : { [scopesClaim]: [...request.scopes] }),
  };
  const call: CallContext = {
    actor: systemActor("development-issuer", organisationId),
    requestId: requestId ?? newId("request", now),
  };
  await deps.unitOfWork.write(call, (tx) =>
    tx.record({
      event: "identity.token.issued",
      subject: principal,
      detail: { tokenId: claims.jti, environments: request.environments, scopes: request.scopes ?? null },
    }),
  );
  const token = await signToken(deps, claims);
  return { token, principalId: principal, organisationId, expiresAt: claims.exp * microsPerSecond };
}

async function signToken(deps: DevelopmentIssuerDeps, claims: object): Promise<string> {
  const key = await deps.keyRing.current("token");
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg: "EdDSA", typ: "at+jwt", kid: key.id })}.${part(claims)}`;
  const signature = await deps.keyRing.sign(key.id, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

async function findTokenPrincipal(
  deps: DevelopmentIssuerDeps,
  request: TokenRequest,
): Promise<{ principal: string; organisationId: Id<"organisation"> }> {
  const call: CallContext = {
    actor: systemActor("development-issuer", "" as Id<"organisation">),
    requestId: newId("request", deps.clock.now()),
  };
  const found = await deps.unitOfWork.read(call, async (sql) => {
    const named = request.organisation;
    const organisation =
      named === undefined
        ? await findHomeOrganisation(sql)
        : await identityTables(sql)
            .selectFrom("identity.organisations")
            .selectAll()
            .where((where) => where.or([where("id", "=", named), where("name", "=", named)]))
            .executeTakeFirst();
    const principal = organisation && (await findPrincipal(sql, organisation.id, request.principal));
    return principal && principal.disabledAt === undefined ? { principal, organisation } : undefined;
  });
  if (!found) throw new PortolanError("kernel.not_found");
  return { principal: found.principal.id, organisationId: found.organisation.id as Id<"organisation"> };
}

function publicJwk(key: SigningKey): Readonly<Record<string, unknown>> {
  const jwk = createPublicKey(key.publicKeyPem).export({ format: "jwk" });
  return { ...jwk, kid: key.id, use: "sig", alg: "EdDSA" };
}
