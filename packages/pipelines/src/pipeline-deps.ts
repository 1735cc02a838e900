import {
  type ArtifactCatalogue,
  type Authorizer,
  type CallContext,
  type Environment,
  type PlaceDirectory,
  PortolanError,
  type ResourceRef,
  requireSeen,
} from "@portolan/kernel";
import { type DefinitionName, findDefinition, type StoredDefinition } from "./definition-store.ts";
import type { PipelineErrorCode } from "./errors.ts";
import type { DefinitionFinding } from "./policy/bind-stages.ts";
import type { StepDeps } from "./steps/outcome.ts";
import { findPipelineRun, type StoredRun } from "./store.ts";

/** What people's calls need. */
export interface PipelineDeps extends StepDeps {
  readonly authorizer: Authorizer;
  readonly places: PlaceDirectory;
  readonly artifacts: ArtifactCatalogue;
  readonly placement: {
    /**
     * @throws PortolanError `charter.placement_refused` where the charter keeps the use case's data elsewhere, `charter.not_in_force`
     *   where there is none and the environment demands one
     */
    require(
      call: CallContext,
      what: { readonly useCaseId: string; readonly environment: Environment; readonly name: string },
    ): Promise<void>;
  };
}

export type PipelineAction = "pipeline:read" | "pipeline:publish" | "pipeline:run";

/** A pipeline as rights are judged of it. */
export function pipelineRef(
  call: CallContext,
  of: { readonly name?: string; readonly useCaseId?: string; readonly environment: Environment },
): ResourceRef {
  const { name, useCaseId, environment } = of;
  return {
    type: "Pipeline",
    organisationId: call.actor.organisationId,
    environment,
    ...(name === undefined ? {} : { id: name }),
    ...(useCaseId === undefined ? {} : { useCaseId }),
  };
}

/**
 * A pipeline's newest version, or the one that is named, that the caller may do this to.
 * @throws PortolanError `kernel.not_found` for one that does not exist or may not be seen, and what `Authorizer.require` throws
 */
export async function requirePipeline(
  { work, authorizer }: Pick<PipelineDeps, "work" | "authorizer">,
  call: CallContext,
  of: Omit<DefinitionName, "organisationId"> & { readonly version?: number },
  action: PipelineAction,
): Promise<StoredDefinition> {
  const { name, environment, version } = of;
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) =>
    findDefinition(sql, { organisationId, environment, name }, version),
  );
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", {
      detail: `there is no such version of a pipeline ${name} in ${environment}`,
      mend: "Publish it: portolan pipeline apply FILE.",
    });
  const resource = pipelineRef(call, { name, environment, ...useCaseOf(found) });
  await requireSeen(authorizer, call, { action, resource }, missing);
  if (!found) throw missing();
  return found;
}

function useCaseOf(found: StoredDefinition | undefined): { readonly useCaseId?: string } {
  return found ? { useCaseId: found.definition.useCaseId } : {};
}

/**
 * A run that the caller may do this to.
 * @throws PortolanError `kernel.not_found` for one that does not exist or may not be seen, and what `Authorizer.require` throws
 */
export async function requirePipelineRun(
  { work, authorizer }: Pick<PipelineDeps, "work" | "authorizer">,
  call: CallContext,
  id: string,
  action: PipelineAction,
): Promise<StoredRun> {
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no pipeline run ${id}` });
  const found = await work.read(call, (sql) => findPipelineRun(sql, call.actor.organisationId, id));
  if (!found) throw missing();
  const { pipeline: name, useCaseId, environment } = found;
  const resource = pipelineRef(call, { name, useCaseId, environment });
  await requireSeen(authorizer, call, { action, resource }, missing);
  return found;
}

/** All that is wrong with a pipeline, at once. */
export function definitionInvalid(
  name: string,
  findings: readonly DefinitionFinding[],
): PortolanError<PipelineErrorCode> {
  return new PortolanError<PipelineErrorCode>("pipelines.definition_invalid", {
    detail: `the pipeline ${name} cannot be run as it is declared`,
    violations: findings.map(({ pointer, detail, mend }) => ({
      detail,
      at: { pointer },
      ...(mend === undefined ? {} : { mend }),
    })),
  });
}
