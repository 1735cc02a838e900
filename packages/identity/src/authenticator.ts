import { createHash } from "node:crypto";
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
import { type AccessEpoch, EpochMemory } from "./access-epoch.ts";
import { looksLikeApiKey, parseApiKey, verifyApiKey } from "./api-key-text.ts";
import { findApiKeyRow, storedApiKey } from "./api-keys.ts";
import type { DevelopmentIssuer } from "./development-issuer.ts";
import { findPrincipal, findSubject, type PrincipalRow } from "./directory-store.ts";
import { listTrustedIssuers } from "./issuers.ts";
import type { RunTokens } from "./ports.ts";
import { runTokenScopes } from "./run-token-wall.ts";
import { identityTables, revocationEpoch } from "./store.ts";
import type { IssuerKeys } from "./tokens/issuer-keys.ts";
import type { VerifiedToken } from "./tokens/token-claims.ts";
import { createTokenVerifier, type TokenVerifier } from "./tokens/token-verifier.ts";
import type { TrustedIssuer } from "./tokens/trusted-issuer.ts";

export interface AuthenticatorDeps {
  readonly unitOfWork: UnitOfWork;
  readonly clock: Clock;
  readonly developmentIssuer?: DevelopmentIssuer;
  /** Keys of outside issuers; absent: only keys given in place count. */
  readonly issuerKeys?: IssuerKeys;
  /** Absent: no trainer is a caller here. */
  readonly runTokens?: RunTokens;
  /** The one that the authorizer has too; absent: every credential is verified each time. */
  readonly accessEpoch?: AccessEpoch;
}

export type Authentication =
  | { readonly kind: "authenticated"; readonly actor: Actor }
  /** `reason` is for the ledger and the log; the caller is told nothing of it. */
  | { readonly kind: "refused"; readonly reason: string };

export interface Authenticator {
  /** `credential` is what follows `Bearer `. Never throws for a bad credential. */
  authenticate(credential: string): Promise<Authentication>;
}

/**
 * Issuers, keys and revoked tokens are read again this often. A revocation in the caller's own organisation is
 * seen at once, by its epoch; this bounds the rest (a key that was rotated).
 */
const reloadMicros = 5_000_000;
/** Tokens that name unknown issuers or keys make us read again, so many times a reload interval at most. */
const maxEarlyReloads = 20;

/** An answer, and how long it may be given again while nothing changes: never beyond the credential's own time. */
interface Verified {
  readonly answer: Authentication;
  /** Epoch microseconds; absent: not at all. */
  readonly until?: number;
}

interface Remembered {
  readonly actor: Actor;
  readonly until: number;
}

/** Credentials that are remembered at most. */
const mostRemembered = 10_000;

interface Trust {
  readonly loadedAt: number;
  readonly issuers: readonly TrustedIssuer[];
  readonly epochs: ReadonlyMap<string, number>;
  readonly revokedTokens: ReadonlySet<string>;
}

/** Finds the actor behind a token or API key. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const trust = createTrustCache(deps);
  const verifier: TokenVerifier = createTokenVerifier({
    issuers: () => trust.now().issuers,
    clock: deps.clock,
    ...(deps.issuerKeys === undefined ? {} : { keys: deps.issuerKeys }),
    isMember: async (token) => (await findActor(deps, token)).answer.kind === "authenticated",
    revocationEpoch: (organisationId) => trust.now().epochs.get(organisationId) ?? 0,
    isRevoked: ({ tokenId, organisationId }) =>
      tokenId !== undefined && trust.now().revokedTokens.has(`${organisationId}/${tokenId}`),
  });

  async function verifyOnce(text: string): Promise<Verified | "stale"> {
    const verdict = await verifier.verify(text);
    if (verdict.kind === "refused") {
      return mayBeNew.has(verdict.reason) ? "stale" : refused(`token:${verdict.reason}`);
    }
    const { answer, epoch } = await findActor(deps, verdict.token);
    if (epoch !== (trust.now().epochs.get(verdict.token.organisationId) ?? 0)) return "stale";
    return { answer, until: verdict.token.expiresAt };
  }

  async function byToken(text: string): Promise<Verified> {
    await trust.refreshWhenOld();
    const first = await verifyOnce(text);
    if (first !== "stale") return first;
    const second = (await trust.refreshEarly()) ? await verifyOnce(text) : first;
    return second === "stale" ? refused("token:not_trusted") : second;
  }

  const remembering = rememberActors(deps);
  return {
    authenticate: async (credential) => {
      if (deps.runTokens?.claims(credential)) return byRunToken(deps, deps.runTokens, credential);
      const isKey = looksLikeApiKey(credential);
      return remembering(credential, () => (isKey ? byApiKey(deps, credential) : byToken(credential)));
    },
  };
}

function refused(reason: string): Verified {
  return { answer: { kind: "refused", reason } };
}

/**
 * Gives the actor of a credential again without verifying it, while the access epoch stands: no principal, key or revocation has changed
 * since. Keys that an outside issuer changes are noticed as before, since nothing is remembered for longer than trust is.
 */
function rememberActors(deps: AuthenticatorDeps) {
  const { clock, accessEpoch: epochs } = deps;
  const memory = new EpochMemory<Remembered>(mostRemembered);
  return async (credential: string, verify: () => Promise<Verified>): Promise<Authentication> => {
    if (epochs === undefined) return (await verify()).answer;
    const epoch = await epochs.now();
    // No credential stays in memory as it is.
    const key = createHash("sha256").update(credential).digest("base64");
    const known = memory.get(epoch, key);
    if (known !== undefined && clock.now() < known.until) return fresh(epochs, known.actor, epoch);
    const { answer, until } = await verify();
    if (answer.kind === "refused" || until === undefined) return answer;
    memory.set(epoch, key, { actor: answer.actor, until: Math.min(until, clock.now() + reloadMicros) });
    return fresh(epochs, answer.actor, epoch);
  };
}

/** One object per request: its questions are answered at the epoch at which it was authenticated. */
function fresh(epochs: AccessEpoch, actor: Actor, epoch: number): Authentication {
  const own = { ...actor };
  epochs.note(own, epoch);
  return { kind: "authenticated", actor: own };
}

/** Refusals that an issuer, organisation or key made a moment ago would also cause. */
const mayBeNew: ReadonlySet<string> = new Set(["unknown_issuer", "unknown_key", "no_keys", "audience"]);

function createTrustCache(deps: AuthenticatorDeps) {
  let trust: Trust = { loadedAt: -Infinity, issuers: [], epochs: new Map(), revokedTokens: new Set() };
  let earlyReloads = 0;
  return {
    now: () => trust,
    async refreshWhenOld(): Promise<void> {
      if (deps.clock.now() - trust.loadedAt <= reloadMicros) return;
      trust = await loadTrust(deps);
      earlyReloads = 0;
    },
    async refreshEarly(): Promise<boolean> {
      if (earlyReloads >= maxEarlyReloads) return false;
      earlyReloads++;
      const loaded = await loadTrust(deps);
      // The regular reload keeps its rhythm, or a flood could keep the allowance from coming back.
      trust = { ...loaded, loadedAt: trust.loadedAt };
      return true;
    },
  };
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
  const { developmentIssuer } = deps;
  const own = developmentIssuer
    ? await Promise.all(loaded.organisations.map(({ id }) => developmentIssuer.trustedBy(id)))
    : [];
  return {
    loadedAt: deps.clock.now(),
    issuers: [...own, ...loaded.issuers],
    epochs: new Map(loaded.epochs.map(({ organisation_id, epoch }) => [organisation_id, epoch])),
    revokedTokens: new Set(loaded.tokens.map((row) => `${row.organisation_id}/${row.subject}`)),
  };
}

/**
 * Our own issuer names the principal itself; outside ones name a subject that an admin tied to a principal. The
 * organisation's revocation epoch comes along, read at the same time.
 */
async function findActor(
  deps: AuthenticatorDeps,
  token: VerifiedToken,
): Promise<{ answer: Authentication; epoch: number }> {
  const own = deps.developmentIssuer?.issuer === token.issuer;
  const { principal, epoch } = await deps.unitOfWork.read(internalCall(deps.clock), async (sql) => {
    const { organisationId, issuer, subject } = token;
    const id = own ? subject : await findSubject(sql, organisationId, issuer, subject);
    return {
      principal: id === undefined ? undefined : await findPrincipal(sql, organisationId, id),
      epoch: await revocationEpoch(sql, organisationId),
    };
  });
  return { answer: actorOf(token, own, principal), epoch };
}

function actorOf(token: VerifiedToken, own: boolean, principal: PrincipalRow | undefined): Authentication {
  const organisationId = parseId("organisation", token.organisationId);
  // A token names a principal by id; a name that happens to be equal is not it.
  if (!organisationId || !principal || (own && principal.id !== token.subject)) {
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
      credential: { kind: "token", issuedAt: token.issuedAt },
      ...(token.scopes === undefined ? {} : { scopes: token.scopes }),
    },
  };
}

/** A key's last use is noted to the minute: it tells which keys are dead, not what they did. */
const lastUseMicros = 60_000_000;

async function byApiKey(deps: AuthenticatorDeps, text: string): Promise<Verified> {
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
  if (verdict.kind === "refused") return refused(`api_key:${verdict.reason}`);
  const organisationId = row && parseId("organisation", row.organisation_id);
  if (!organisationId || !principal || principal.disabledAt !== undefined) {
    return refused("api_key:disabled_principal");
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
  const actor: Actor = {
    kind: principal.kind,
    id: principal.id,
    organisationId,
    environments: [verdict.environment],
    credential: { kind: "api_key", id: row.id },
    ...(verdict.scopes === undefined ? {} : { scopes: verdict.scopes }),
  };
  return { answer: { kind: "authenticated", actor }, until: row.expires_at };
}

/** A trainer acts for whoever started its run, in that run alone: `run-token-wall.ts` holds it there. */
async function byRunToken(
  deps: AuthenticatorDeps,
  runTokens: RunTokens,
  text: string,
): Promise<Authentication> {
  const grant = await runTokens.verify(text);
  if ("reason" in grant) return { kind: "refused", reason: `run_token:${grant.reason}` };
  const organisationId = parseId("organisation", grant.organisationId);
  const principal = await deps.unitOfWork.read(internalCall(deps.clock), (sql) =>
    findPrincipal(sql, grant.organisationId, grant.principalId),
  );
  if (!organisationId || !principal || principal.disabledAt !== undefined)
    return { kind: "refused", reason: "run_token:disabled_principal" };
  return {
    kind: "authenticated",
    actor: {
      kind: principal.kind,
      id: principal.id,
      organisationId,
      environments: [grant.environment],
      credential: { kind: "run_token", runId: grant.runId },
      scopes: runTokenScopes,
    },
  };
}

function internalCall(clock: Clock): CallContext {
  return {
    actor: systemActor("authenticator", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}
