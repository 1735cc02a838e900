import {
  type Authorizer,
  asPlace,
  type CallContext,
  isPortolanError,
  type PortolanError,
  type ResourceRef,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import { isClientRunId } from "./policy.ts";
import type { RunDirectory, TrackedRun, UseCaseNames } from "./ports.ts";
import { findRunRow, type RunRow } from "./store.ts";

export interface RunDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly runs: RunDirectory;
}

export interface ExperimentDeps extends RunDeps {
  readonly useCases: UseCaseNames;
}

/** A run of either origin. @throws PortolanError 404 when there is no such run or the caller may not read it */
export async function findRun(deps: RunDeps, call: CallContext, runId: string): Promise<TrackedRun> {
  if (!isClientRunId(runId)) return deps.runs.find(call, runId);
  const row = await deps.work.read(call, (sql) => findRunRow(sql, runId));
  const run = row?.organisation_id === call.actor.organisationId ? clientRunOf(row) : undefined;
  if (run === undefined) throw deps.runs.missing(runId);
  const question = { action: "training:read", resource: resourceOf(call, run) };
  await requireSeen(deps.authorizer, call, question, () => deps.runs.missing(runId));
  return run;
}

/** A run behind something of its own, which is missing where the run is or may not be read. */
export async function findRunOr(
  deps: RunDeps,
  call: CallContext,
  runId: string,
  missing: () => PortolanError,
): Promise<TrackedRun> {
  try {
    return await findRun(deps, call, runId);
  } catch (error) {
    throw isPortolanError(error) && error.code === deps.runs.missing(runId).code ? missing() : error;
  }
}

/** What the authorizer is asked about: only a trainer logs to a `TrainingRun`, whatever the policies say. */
export function resourceOf(
  { actor: { organisationId } }: CallContext,
  run: Pick<TrackedRun, "id" | "origin" | "environment" | "useCaseId">,
): ResourceRef {
  const type = run.origin === "client" ? "ClientRun" : "TrainingRun";
  const { id, environment } = run;
  return { type, id, organisationId, environment, ...asPlace({ useCaseId: run.useCaseId }) };
}

/** `undefined` for the row of a run of training, which is not all of it. Pure. */
export function clientRunOf(row: RunRow): TrackedRun | undefined {
  const { origin, started_by: startedBy, started_at: startedAt, environment } = row;
  if (origin !== "client" || startedBy === null || startedAt === null) return undefined;
  return {
    id: row.run_id,
    origin,
    environment,
    state: "running",
    startedBy,
    startedAt,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    ...(row.deleted_at === null ? {} : { deletedAt: row.deleted_at }),
  };
}
