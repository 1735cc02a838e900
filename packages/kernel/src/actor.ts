import type { Id } from "./ids.ts";
import type { EpochMicros } from "./time.ts";

/** Environments are a dimension of endpoints, data, tokens, keys, quotas and snapshots. */
export const environments = ["dev", "staging", "production"] as const;
export type Environment = (typeof environments)[number];

/**
 * What an actor was authenticated by. A token says when it was issued; a key says nothing of who holds it now; a run's token is held by
 * the trainer of that run, and reaches nothing else.
 */
export type Credential =
  | { readonly kind: "token"; readonly issuedAt: EpochMicros }
  | { readonly kind: "api_key"; readonly id: string }
  | { readonly kind: "run_token"; readonly runId: string };

/** Who acts. Made by authentication only (or `systemActor` for the processes themselves). */
export interface Actor {
  readonly kind: "user" | "service_account" | "system";
  /** `usr_…`, `sa_…`, or the process's name for `system`. */
  readonly id: string;
  readonly organisationId: Id<"organisation">;
  /** Environments that the credential reaches; empty means none. */
  readonly environments: readonly Environment[];
  /** Scopes of the credential, or `undefined` when it carries the principal's full rights. */
  readonly scopes?: readonly string[];
  /** Absent for the processes themselves. */
  readonly credential?: Credential;
}

/** One call into the system: who, for whom, why, under which request. Every governed row carries it. */
export interface CallContext {
  readonly actor: Actor;
  readonly requestId: Id<"request">;
  /** The principal on whose behalf a service acts. */
  readonly onBehalfOf?: string;
  /** Declared purpose of use, where the charter asks for one. */
  readonly purpose?: string;
}

/** The actor for work that a process does by itself, such as a reconciler or a scheduled job. */
export function systemActor(process: string, organisationId: Id<"organisation">): Actor {
  return { kind: "system", id: process, organisationId, environments };
}
