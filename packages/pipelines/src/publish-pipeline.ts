import { type CallContext, digestJson, type JsonObject, locate, PortolanError } from "@portolan/kernel";
import type { PipelineDefinition, PipelineView } from "./contract.ts";
import { findDefinition, insertDefinition, type StoredDefinition } from "./definition-store.ts";
import type { PipelineErrorCode } from "./errors.ts";
import { definitionInvalid, type PipelineDeps, pipelineRef } from "./pipeline-deps.ts";
import { bindStages } from "./policy/bind-stages.ts";
import { nextTime, readCron } from "./policy/cron.ts";
import { viewOf } from "./read-pipelines.ts";
import { requireRights } from "./stage-rights.ts";
import type { Stage } from "./stages.ts";

/**
 * Publishes a pipeline: the same definition is the same version, another one the next. Runs that are under way keep theirs; the schedule
 * is the newest version's. Whoever publishes it must have the right to each of its stages: others begin its runs by name.
 *
 * @throws PortolanError `pipelines.definition_invalid` with all findings, `pipelines.name_taken`, `registry.artifact_not_found` for a
 *   program or lock that this use case does not hold, and what `Authorizer.require` throws
 */
export async function publishPipeline(
  deps: PipelineDeps,
  call: CallContext,
  name: string,
  named: PipelineDefinition,
): Promise<PipelineView> {
  const { environment } = named;
  const { organisationId } = call.actor;
  await deps.authorizer.require(
    call,
    "pipeline:publish",
    pipelineRef(call, { name, environment, useCaseId: named.useCaseId }),
  );
  const place = await locate(deps.places, organisationId, { useCaseId: named.useCaseId });
  const definition: PipelineDefinition = { ...named, useCaseId: place.useCaseId ?? named.useCaseId };
  const bound = bindStages(definition);
  if (bound.kind === "unusable") throw definitionInvalid(name, bound.findings);
  await requireRights(deps.authorizer, call, bound.stages, definition);
  for (const digest of bound.stages.flatMap(bytesOf))
    await deps.artifacts.require(call, digest, { environment, ...place });
  const digest = digestJson({ name, definition: definition as JsonObject });
  return deps.work.write(call, async (tx) => {
    const newest = await findDefinition(tx.sql, { organisationId, environment, name });
    if (newest && newest.definition.useCaseId !== definition.useCaseId) throw nameTaken(name);
    if (newest?.digest === digest) return viewOf(newest);
    const stored: StoredDefinition = {
      name,
      environment,
      version: (newest?.version ?? 0) + 1,
      digest,
      definition,
      publishedBy: call.onBehalfOf ?? call.actor.id,
      publishedAt: tx.now,
      nextRunAt: nextRunAfter(definition, tx.now),
      call,
    };
    await insertDefinition(tx, stored);
    await tx.record({
      event: "pipelines.definition.published",
      subject: `${environment}/${name}`,
      after: digest,
      ...(newest ? { before: digestJson({ name, definition: newest.definition as JsonObject }) } : {}),
      detail: { version: stored.version, schedule: definition.schedule?.cron ?? null },
    });
    return viewOf(stored);
  });
}

/** Epoch microseconds; null where nothing is scheduled. */
export function nextRunAfter(
  { schedule }: PipelineDefinition,
  after: Parameters<typeof nextTime>[1],
): number | null {
  const reading = schedule && readCron(schedule.cron);
  return reading?.kind === "times" ? (nextTime(reading.times, after) ?? null) : null;
}

function bytesOf(stage: Stage): string[] {
  return stage.kind === "train" ? [stage.code, ...Object.values(stage.locks)] : [];
}

function nameTaken(name: string): PortolanError<PipelineErrorCode> {
  return new PortolanError<PipelineErrorCode>("pipelines.name_taken", {
    detail: `a pipeline ${name} of another use case is there already`,
    mend: "Give it another name.",
  });
}
