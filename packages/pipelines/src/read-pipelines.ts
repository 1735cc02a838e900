import type { CallContext, Environment } from "@portolan/kernel";
import type { PipelineRun, PipelineView } from "./contract.ts";
import { listDefinitions, type StoredDefinition } from "./definition-store.ts";
import { type PipelineDeps, pipelineRef } from "./pipeline-deps.ts";
import { listRuns, type StoredRun } from "./store.ts";

type ReadDeps = Pick<PipelineDeps, "work" | "authorizer">;

/** A pipeline as the API shows it. Pure. */
export function viewOf(stored: StoredDefinition): PipelineView {
  const { call: _, ...view } = stored;
  return view;
}

/** A run as the API shows it. Pure. */
export function runViewOf(run: StoredRun): PipelineRun {
  const { id, pipeline, version, digest, environment, useCaseId, model, state, cause, priority } = run;
  const { parameters, standings: stages, made, problem, requestedBy, startedAt, endedAt } = run;
  return {
    id,
    pipeline,
    version,
    digest,
    environment,
    useCaseId,
    model,
    state,
    cause,
    priority,
    parameters,
    stages: [...stages],
    made,
    problem,
    requestedBy,
    startedAt,
    endedAt,
  };
}

/** The newest version of each that the caller may see. */
export async function readPipelines(
  { work, authorizer }: ReadDeps,
  call: CallContext,
): Promise<PipelineView[]> {
  const all = await work.read(call, (sql) => listDefinitions(sql, call.actor.organisationId));
  const visible: PipelineView[] = [];
  for (const one of all) {
    const { name, environment, definition } = one;
    const resource = pipelineRef(call, { name, environment, useCaseId: definition.useCaseId });
    const { allowed } = await authorizer.decide(call, "pipeline:read", resource);
    if (allowed) visible.push(viewOf(one));
  }
  return visible;
}

/** The newest hundred, as far as the caller may see them; of one pipeline where it is named. */
export async function readPipelineRuns(
  { work, authorizer }: ReadDeps,
  call: CallContext,
  of: { readonly pipeline?: string; readonly environment?: Environment },
): Promise<PipelineRun[]> {
  const all = await work.read(call, (sql) => listRuns(sql, call.actor.organisationId, of));
  const visible: PipelineRun[] = [];
  for (const one of all) {
    const { pipeline: name, environment, useCaseId } = one;
    const { allowed } = await authorizer.decide(
      call,
      "pipeline:read",
      pipelineRef(call, { name, environment, useCaseId }),
    );
    if (allowed) visible.push(runViewOf(one));
  }
  return visible;
}
