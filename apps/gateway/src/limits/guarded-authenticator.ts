import { bearerCredential, looksLikeApiKey } from "@portolan/identity/policy";
import type { Authentication, Authenticator, CredentialSource } from "../infer/authenticate.ts";
import { type ServingState, subjectKey } from "../snapshot/serving-state.ts";
import type { ClientCertificates, Peer } from "./client-certificates.ts";
import type { CredentialBudget } from "./credential-budget.ts";

export interface GuardedAuthenticatorDeps {
  readonly tokens: Authenticator;
  readonly budget: CredentialBudget;
  /** Absent: certificates of clients are not asked for. */
  readonly certificates?: ClientCertificates | undefined;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/**
 * What stands before the verification of credentials: tokens that are not remembered are verified within their source's budget, and who
 * sends no credential may be known by its certificate. A credential that is sent decides alone: a caller chooses whom it acts as.
 */
export function createGuardedAuthenticator(deps: GuardedAuthenticatorDeps): Authenticator {
  const { tokens, budget, certificates, nowMs } = deps;
  return {
    remembers: (text) => tokens.remembers(text),
    async authenticate(authorization, state, source) {
      const peer = authorization === undefined && certificates ? peerOf(certificates, source) : undefined;
      if (peer) return callerOf(peer, state);
      const text = bearerCredential(authorization);
      const isCheap = text === undefined || looksLikeApiKey(text) || tokens.remembers(text);
      const verify = (): Promise<Authentication> => tokens.authenticate(authorization, state, source);
      return isCheap || !source ? verify() : budget.spend(source.remoteAddress, nowMs(), verify);
    },
  };
}

function peerOf(certificates: ClientCertificates, source: CredentialSource | undefined): Peer | undefined {
  if (source?.connection) return certificates.peerOf(source.connection);
  const presented = source?.certificate?.();
  return presented && certificates.judge(presented);
}

/** The snapshot's grants decide as for tokens: the workload must be a principal's subject there. */
function callerOf(peer: Peer, state: ServingState): Authentication {
  if (peer.kind === "refused") return { kind: "unknown", reason: `certificate ${peer.reason}` };
  const key = subjectKey(peer.issuer, peer.id.text);
  const environments = [...state.grants.keys()].filter((environment) =>
    state.grants.get(environment)?.principalsBySubject.has(key),
  );
  const [first] = environments;
  const principal = first && state.grants.get(first)?.principalsBySubject.get(key);
  if (!principal) return { kind: "unknown", reason: "principal" };
  // Judged anew at every request: a certificate ends, and its trust bundle changes, without a snapshot.
  return {
    kind: "known",
    caller: { principalId: principal.id, environments, untilMicros: peer.notAfterMs * 1000 },
  };
}
