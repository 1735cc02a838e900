import {
  type Actor,
  type CallContext,
  type Clock,
  type Id,
  newId,
  parseId,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import { looksLikeApiKey, parseApiKey, verifyApiKey } from "./api-key-text.ts";
import { findApiKeyRow, storedApiKey } from "./api-keys.ts";
import type { DevelopmentIssuer } from "./development-issuer.ts";
import { findPrincipal, findSubject } from "./directory-store.ts";
import { listTrustedIssuers } from "./issuers.ts";
import { identityTables } from "./store.ts";
import type { FetchJwks } from "./tokens/issuer-keys.ts";
import type { VerifiedToken } from "./tokens/token-claims.ts";
import { createTokenVerifier, type TokenVerifier } from "./tokens/token-verifier.ts";
import type { TrustedIssuer } from "./tokens/trusted-issuer.ts";

export interface AuthenticatorDeps {
  readonly unitOfWork: UnitOfWork;
  readonly clock: Clock;
  readonly developmentIssuer?: DevelopmentIssuer;
  readonly fetchJwks?: FetchJwks;
}

export type Authentication =
  | { readonly kind: "authenticated"; readonly actor: Actor }
  /** `reason` is for the ledger and the log; the caller is told nothing of it. */
  | { readonly kind: "refused"; readonly reason: string };

export interface Authenticator {
  /** `credential` is what follows `Bearer `. Never throws for a bad credential. */
  authenticate(credential: string): Promise<Authentication>;
}

/** Issuers, their keys and revocations are read again this often at least; a revocation here is seen at once. */
const reloadMicros = 5_000_000;

interface Trust {
  readonly loadedAt: number;
  readonly issuers: readonly TrustedIssuer[];
  readonly epochs: ReadonlyMap<string, number>;
  readonly revokedTokens: ReadonlySet<string>;
}

/** Finds the actor behind a token or API key. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  let trust: Trust = { loadedAt: -Infinity, issuers: [], epochs: new Map(), revokedTokens: new Set() };
  const verifier: TokenVerifier = createTokenVerifier({
    issuers: () => trust.issuers,
    clock: deps.clock,
    ...(deps.fetchJwks === undefined ? {} : { fetchJwks: deps.fetchJwks }),
    revocationEpoch: (organisationId) => trust.epochs.get(organisationId) ?? 0,
    isRevoked: ({ tokenId, organisationId }) =>
      tokenId !== undefined && trust.revokedTokens.has(`${organisationId}/${tokenId}`),
  });

  async function byToken(text: string): Promise<Authentication> {
    if (deps.clock.now() - trust.loadedAt > reloadMicros) trust = await loadTrust(deps);
    let verdict = await verifier.verify(text);
    if (verdict.kind === "refused" && mayBeStale(verdict.reason, trust, deps.clock.now())) {
      trust = await loadTrust(deps);
      verdict = await verifier.verify(text);
    }
    if (verdict.kind === "refused") return { kind: "refused", reason: `token:${verdict.reason}` };
    return findActor(deps, verdict.token);
  }

  return {
    authenticate: (credential) =>
      looksLikeApiKey(credential) ? byApiKey(deps, credential) : byToken(credential),
  };
}

/** A token of an issuer or key that is a moment old is no attack: look again, once a second at most. */
function mayBeStale(reason: string, trust: Trust, now: number): boolean {
  const soon = now - trust.loadedAt > 1_000_000;
  return soon && ["unknown_issuer", "unknown_key", "no_keys", "audience"].includes(reason);
}

async function loadTrust(deps: AuthenticatorDeps): Promise<Trust> {
  const loaded = await deps.unitOfWork.read(internalCall(deps.clock), async (sql) => {
    const db = identityTables(sql);
    return {
      issuers: await listTrustedIssuers(sql),
      organisations: await db.selectFrom("identity.organisations").select("id").execute(),
      epochs: await db.selectFrom("identity.revocation_epochs").selectAll().execute(),
      tokens: await db
        .selectFrom("identity.revocations")
        .select(["organisation_id", "subject"])
        .where("kind", "=", "token")
        .execute(),
    };
  });
  const own = deps.developmentIssuer
    ? await Promise.all(loaded.organisations.map(({ id }) => deps.developmentIssuer?.trustedBy(id)))
    : [];
  return {
    loadedAt: deps.clock.now(),
    issuers: [...loaded.issuers, ...own.filter((issuer) => issuer !== undefined)],
    epochs: new Map(loaded.epochs.map(({ organisation_id, epoch }) => [organisation_id, epoch])),
    revokedTokens: new Set(loaded.tokens.map((row) => `${row.organisation_id}/${row.subject}`)),
  };
}

/** Our own issuer names the principal itself; outside ones name a subject that an admin tied to a principal. */
async function findActor(deps: AuthenticatorDeps, token: VerifiedToken): Promise<Authentication> {
  const organisationId = parseId("organisation", token.organisationId);
  if (!organisationId) return { kind: "refused", reason: "token:organisation" };
  const own = (await deps.developmentIssuer?.trustedBy(organisationId))?.issuer === token.issuer;
  const principal = await deps.unitOfWork.read(internalCall(deps.clock), async (sql) => {
    const id = own ? token.subject : await findSubject(sql, organisationId, token.issuer, token.subject);
    return id === undefined ? undefined : findPrincipal(sql, organisationId, id);
  });
  if (!principal || (own && principal.id !== token.subject)) {
    return { kind: "refused", reason: "token:unknown_principal" };
  }
  if (principal.disabledAt !== undefined) return { kind: "refused", reason: "token:disabled_principal" };
  return {
    kind: "authenticated",
    actor: {
      kind: principal.kind,
      id: principal.id,
      organisationId,
      environments: token.environments,
      ...(token.scopes === undefined ? {} : { scopes: token.scopes }),
    },
  };
}

/** A key's last use is noted to the minute: it tells which keys are dead, not what they did. */
const lastUseMicros = 60_000_000;

async function byApiKey(deps: AuthenticatorDeps, text: string): Promise<Authentication> {
  const keyId = parseApiKey(text)?.keyId;
  const now = deps.clock.now();
  const call = internalCall(deps.clock);
  const { row, principal } = await deps.unitOfWork.read(call, async (sql) => {
    const found = keyId === undefined ? undefined : await findApiKeyRow(sql, keyId);
    return {
      row: found,
      principal: found && (await findPrincipal(sql, found.organisation_id, found.principal_id)),
    };
  });
  const verdict = verifyApiKey(text, () => row && storedApiKey(row), now);
  if (verdict.kind === "refused") return { kind: "refused", reason: `api_key:${verdict.reason}` };
  const organisationId = row && parseId("organisation", row.organisation_id);
  if (!organisationId || !principal || principal.disabledAt !== undefined) {
    return { kind: "refused", reason: "api_key:disabled_principal" };
  }
  if (row.last_used_at === null || now - row.last_used_at > lastUseMicros) {
    await deps.unitOfWork.write(
      { actor: systemActor("authenticator", organisationId), requestId: call.requestId },
      (tx) =>
        identityTables(tx.sql)
          .updateTable("identity.api_keys")
          .set({ last_used_at: now })
          .where("id", "=", row.id)
          .execute(),
    );
  }
  return {
    kind: "authenticated",
    actor: {
      kind: principal.kind,
      id: principal.id,
      organisationId,
      environments: [verdict.environment],
      ...(verdict.scopes === undefined ? {} : { scopes: verdict.scopes }),
    },
  };
}

function internalCall(clock: Clock): CallContext {
  return {
    actor: systemActor("authenticator", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}
