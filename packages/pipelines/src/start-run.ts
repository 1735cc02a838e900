import { type CallContext, digestJson, newId, type Transaction } from "@portolan/kernel";
import type { PipelineRun, PipelineRunRequest } from "./contract.ts";
import type { StoredDefinition } from "./definition-store.ts";
import { definitionInvalid, type PipelineDeps, requirePipeline } from "./pipeline-deps.ts";
import { bindStages } from "./policy/bind-stages.ts";
import { runViewOf } from "./read-pipelines.ts";
import { requireRights } from "./stage-rights.ts";
import { insertRun, type RunBeginning, type StoredRun } from "./store.ts";

/**
 * Begins a run of a pipeline's newest version. Whoever begins it must have the right to each of its stages: they are done in that name.
 *
 * @throws PortolanError `pipelines.definition_invalid` for parameters that do not fit, `charter.placement_refused`, `charter.not_in_force`,
 *   `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function startPipelineRun(
  deps: PipelineDeps,
  call: CallContext,
  name: string,
  request: PipelineRunRequest,
): Promise<PipelineRun> {
  const { environment } = request;
  const definition = await requirePipeline(deps, call, { name, environment }, "pipeline:run");
  const beginning = await prepareRun(deps, call, definition, { ...request, cause: "manual" });
  return deps.work.write(call, async (tx) => runViewOf(await beginRun(tx, beginning)));
}

/** Everything that is checked before a run begins. */
export async function prepareRun(
  deps: PipelineDeps,
  call: CallContext,
  { name, environment, version, digest, definition }: StoredDefinition,
  request: Pick<PipelineRunRequest, "parameters" | "priority"> & Pick<RunBeginning, "cause">,
): Promise<Omit<RunBeginning, "id">> {
  const { useCaseId, model } = definition;
  const parameters = { ...definition.parameters, ...request.parameters };
  const bound = bindStages(definition, request.parameters);
  if (bound.kind === "unusable") throw definitionInvalid(name, bound.findings);
  await requireRights(deps.authorizer, call, bound.stages, definition);
  await deps.placement.require(call, { useCaseId, environment, name });
  return {
    environment,
    useCaseId,
    pipeline: name,
    version,
    digest,
    model,
    stages: bound.stages,
    parameters,
    cause: request.cause,
    priority: request.priority ?? definition.priority ?? 0,
    call,
    requestedBy: call.onBehalfOf ?? call.actor.id,
  };
}

/** The row and its ledger row. */
export async function beginRun(tx: Transaction, beginning: Omit<RunBeginning, "id">): Promise<StoredRun> {
  const run = await insertRun(tx, { ...beginning, id: newId("pipelineRun", tx.now) });
  const { pipeline, version, digest, environment, cause, priority, parameters } = beginning;
  await tx.record({
    event: "pipelines.run.started",
    subject: run.id,
    // The values are on the row; the ledger is for good.
    detail: { pipeline, version, digest, environment, cause, priority, parameters: digestJson(parameters) },
  });
  return run;
}
