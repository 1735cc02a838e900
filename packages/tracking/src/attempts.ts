import {
  type CallContext,
  type Clock,
  type Environment,
  type Id,
  newId,
  type Secret,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { isRunToken, mintRunToken, runOfToken } from "./run-token.ts";
import { endAttempt, findRunRow, openAttempt } from "./store.ts";

export interface AttemptDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
}

/** One attempt to run a trainer: what its credential is good for. */
export interface Attempt {
  readonly runId: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** How long the trainer may take at most; the credential ends then whatever happens. */
  readonly lifetimeMs: number;
}

/**
 * Opens a run for logging: a fresh credential, which acts for whoever started the run, at this run alone. That of an earlier
 * attempt ends with it.
 *
 * @returns the token, and how to end it when the trainer has; a later attempt's is left alone.
 */
export async function beginAttempt(
  deps: AttemptDeps,
  call: CallContext,
  { runId, environment, useCaseId, lifetimeMs }: Attempt,
): Promise<{ readonly token: Secret; readonly end: () => Promise<void> }> {
  const { token, sha256 } = mintRunToken(runId);
  await deps.work.write(call, (tx) =>
    openAttempt(tx.sql, {
      run_id: runId,
      organisation_id: call.actor.organisationId,
      environment,
      use_case_id: useCaseId ?? null,
      token_sha256: sha256,
      token_principal_id: call.actor.id,
      token_expires_at: tx.now + lifetimeMs * 1000,
    }),
  );
  return { token, end: () => deps.work.write(call, (tx) => endAttempt(tx.sql, runId, sha256)) };
}

/** Ends whatever attempt is open, in the transaction in which the run settles. */
export function settleRun(tx: Transaction, runId: string): Promise<void> {
  return endAttempt(tx.sql, runId);
}

/** Whom a run's token speaks for. */
export interface RunGrant {
  readonly runId: string;
  readonly principalId: string;
  readonly organisationId: string;
  readonly environment: Environment;
}

/** The grant of a token, or why it is none; the reason is of a bounded set and for the record alone. */
export async function verifyRunToken(
  deps: AttemptDeps,
  text: string,
): Promise<RunGrant | { reason: string }> {
  const runId = runOfToken(text);
  if (runId === undefined) return { reason: "malformed" };
  const row = await deps.work.read(internalCall(deps.clock), (sql) => findRunRow(sql, runId));
  if (!row?.token_sha256 || row.token_principal_id === null || row.token_expires_at === null)
    return { reason: "ended" };
  if (!isRunToken(text, row.token_sha256)) return { reason: "wrong_secret" };
  if (deps.clock.now() >= row.token_expires_at) return { reason: "expired" };
  return {
    runId,
    principalId: row.token_principal_id,
    organisationId: row.organisation_id,
    environment: row.environment,
  };
}

/** Whoever asks is not known yet. */
function internalCall(clock: Clock): CallContext {
  return {
    actor: systemActor("tracking", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}
