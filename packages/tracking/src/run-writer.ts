import {
  type CallContext,
  canonicalBytes,
  type Digest,
  digestBytes,
  type JsonObject,
  newId,
  PortolanError,
  type RecordBatch,
  requireSeen,
  type Transaction,
} from "@portolan/kernel";
import { limits } from "./check-values.ts";
import type { TrackingErrorCode } from "./errors.ts";
import { findRun, type RunDeps, resourceOf } from "./find-run.ts";
import type { PointWriter } from "./point-writer.ts";
import type { RecordRefusal } from "./ports.ts";
import type { RunFacts } from "./run-memory.ts";
import { countLogged, findRunRow } from "./store.ts";

export interface LogDeps extends RunDeps {
  readonly points: PointWriter;
  readonly recordBatch: RecordBatch;
  readonly recordRefusal: RecordRefusal;
}

/** What one request adds to a run, as its leaf in the ledger says it. */
export interface LoggedLeaf {
  readonly runId: string;
  /** Absent: the run. */
  readonly subject?: string;
  readonly event: string;
  readonly digest: Digest;
  /** Counted against the run's bound, at least a KiB. */
  readonly sizeBytes: number;
  readonly count: number;
}

/** Digest and size of what is logged as JSON. Pure. */
export function sealed(content: JsonObject): Pick<LoggedLeaf, "digest" | "sizeBytes"> {
  const bytes = canonicalBytes(content);
  return { digest: digestBytes(bytes), sizeBytes: bytes.length };
}

/**
 * One request: within the run's bound, and one leaf in the ledger, all with its effect. Whether the caller may is asked before, by
 * `requireWriter`.
 *
 * @throws PortolanError `tracking.run_not_open`, `tracking.too_much_logged`, and what the effect throws
 */
export async function writeWithinBound<Value>(
  deps: Pick<LogDeps, "work" | "recordBatch">,
  call: CallContext,
  { runId, subject = runId, event, digest, sizeBytes, count }: LoggedLeaf,
  effect: (tx: Transaction) => Promise<Value>,
): Promise<Value> {
  const { organisationId } = call.actor;
  return deps.work.write(call, async (tx) => {
    const counted = Math.max(sizeBytes, limits.leastBytes);
    const total = await countLogged(tx.sql, { organisationId, runId, now: tx.now }, counted);
    if (total === undefined) throw notOpen(runId);
    if (total > limits.runBytes) throw tooMuch();
    const value = await effect(tx);
    // A key of its own: the same tag set, changed and set again is three facts, whatever id the requests claim.
    const key = `tracking:${runId}:${newId("request", tx.now)}`;
    await deps.recordBatch(tx, { event, subject, digest, count, key });
    return value;
  });
}

/**
 * A run of training has its place on the row of its attempt. One that has none may exist all the same: its own package knows. To a
 * client's run its owner logs, while they may in that place.
 *
 * @param known facts of the run from before; whether it is deleted is then left to the write
 */
export async function requireWriter(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  known?: RunFacts,
): Promise<void> {
  const { organisationId, id: caller } = call.actor;
  const row = known ? undefined : await deps.work.read(call, (sql) => findRunRow(sql, runId));
  const facts = known ?? row;
  const own = facts?.organisation_id === organisationId ? facts : undefined;
  const run = own ? placeOf(own) : await findRun(deps, call, runId);
  const question = { action: "training:track", resource: resourceOf(call, run) };
  await requireSeen(deps.authorizer, call, question, () => deps.runs.missing(runId));
  if (own) deps.points.runs.keep(own);
  if (own?.origin !== "client") return;
  if (own.started_by !== caller) {
    await deps.recordRefusal(call, { ...question, reason: "only its maker logs to a run" });
    throw notOwner(runId);
  }
  if (row?.deleted_at) throw deleted(runId);
}

function placeOf({ run_id: id, origin, environment, use_case_id }: RunFacts) {
  return { id, origin, environment, ...(use_case_id === null ? {} : { useCaseId: use_case_id }) };
}

function notOpen(runId: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.run_not_open", {
    detail: `no trainer of the run ${runId} is at work`,
    mend: "Log while the run is running, from its own trainer.",
  });
}

function tooMuch(): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.too_much_logged", {
    detail: `one run logs at most ${limits.runBytes / 2 ** 20} MiB`,
    mend: "Log every n-th step, and several points in one request, which counts as a KiB at least.",
  });
}

function notOwner(runId: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.not_run_owner", {
    detail: `the run ${runId} was made by somebody else`,
    mend: "Log to a run of your own: what a run says is its owner's word.",
  });
}

function deleted(runId: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.run_deleted", {
    detail: `the run ${runId} is deleted`,
    mend: "Restore it first, or log to another run.",
  });
}
