import { type CallContext, environments, isPortolanError, PortolanError } from "@portolan/kernel";
import type { KeyValue } from "./contract.ts";
import {
  defaultExperimentId,
  defaultExperimentName,
  findDefault,
  resolveExperiment,
} from "./default-experiment.ts";
import type { TrackingErrorCode } from "./errors.ts";
import { type Experiment, experimentIdOf } from "./experiment-id.ts";
import { readExperimentTags } from "./experiments-store.ts";
import { type ExperimentDeps, findRun } from "./find-run.ts";

/** A use case in an environment, as MLflow names it: `flight-delays/production`. */
export interface NamedExperiment {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly KeyValue[];
}

/** @throws PortolanError `tracking.experiment_not_found` when there is none or the caller may not see it. */
export async function readExperiment(
  deps: ExperimentDeps,
  call: CallContext,
  id: string,
): Promise<NamedExperiment> {
  return read(deps, call, await resolveExperiment(deps, call, id), id);
}

/** By `<use case>/<environment>`, or as MLflow's default. @throws PortolanError as `readExperiment` does. */
export async function readExperimentByName(
  deps: ExperimentDeps,
  call: CallContext,
  name: string,
): Promise<NamedExperiment> {
  const { organisationId } = call.actor;
  if (name === defaultExperimentName) return read(deps, call, await findDefault(deps, call), name);
  const at = name.lastIndexOf("/");
  const environment = environments.find((known) => known === name.slice(at + 1));
  if (at < 1 || environment === undefined) throw missingExperiment(name);
  const owner = name.slice(0, at);
  if (owner === organisationId) return read(deps, call, { organisationId, environment }, name);
  const useCase = await deps.useCases.find(organisationId, owner);
  return read(deps, call, useCase && { organisationId, useCaseId: useCase.id, environment }, name);
}

/** Those of these ids that are there and that the caller may see; of the others a search says nothing. */
export async function visibleExperiments(
  deps: ExperimentDeps,
  call: CallContext,
  ids: readonly string[],
): Promise<Experiment[]> {
  const seen: Experiment[] = [];
  for (const id of new Set(ids)) {
    const experiment = await resolveExperiment(deps, call, id);
    if (!experiment) continue;
    try {
      await see(deps, call, experiment, id);
      seen.push(experiment);
    } catch (error) {
      if (!isPortolanError(error) || error.code !== "tracking.experiment_not_found") throw error;
    }
  }
  return seen;
}

/** @param asked how the caller named it: an answer to who may not see it says nothing else. */
async function read(
  deps: ExperimentDeps,
  call: CallContext,
  experiment: Experiment | undefined,
  asked: string,
): Promise<NamedExperiment> {
  const { id, name } = await see(deps, call, experiment, asked);
  const { organisationId } = call.actor;
  const tags = await deps.work.read(call, (sql) => readExperimentTags(sql, organisationId, [id]));
  return { id, name, tags: tags.get(id) ?? [] };
}

async function see(
  deps: ExperimentDeps,
  call: CallContext,
  experiment: Experiment | undefined,
  asked: string,
): Promise<Pick<NamedExperiment, "id" | "name">> {
  const name = experiment && (await nameOf(deps, experiment));
  if (experiment === undefined || name === undefined) throw missingExperiment(asked);
  await requireSeen(deps, call, experiment, asked);
  return { id: experimentIdOf(experiment), name };
}

async function nameOf(deps: ExperimentDeps, experiment: Experiment): Promise<string | undefined> {
  const { organisationId, useCaseId, environment } = experiment;
  if (useCaseId === undefined) return `${organisationId}/${environment}`;
  const useCase = await deps.useCases.find(organisationId, useCaseId);
  return useCase && `${useCase.name}/${environment}`;
}

/** A trainer sees the experiment of its own run; others see those whose runs they may read. */
async function requireSeen(
  deps: ExperimentDeps,
  call: CallContext,
  experiment: Experiment,
  asked: string,
): Promise<void> {
  const { organisationId, credential } = call.actor;
  if (credential?.kind === "run_token") {
    const own = await findRun(deps, call, credential.runId);
    if (experimentIdOf({ ...own, organisationId }) === experimentIdOf(experiment)) return;
    throw missingExperiment(asked);
  }
  try {
    await deps.authorizer.require(call, "training:read", {
      type: "TrainingRun",
      ...experiment,
      organisationId,
    });
  } catch (error) {
    if (isPortolanError(error) && ["kernel.not_found", "identity.forbidden"].includes(error.code))
      throw missingExperiment(asked);
    throw error;
  }
}

/** How an experiment is answered that is none, or none that the caller may see. */
export function missingExperiment(asked: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.experiment_not_found", {
    detail: `there is no experiment ${JSON.stringify(asked.slice(0, 200))}`,
    mend: [defaultExperimentId, defaultExperimentName].includes(asked)
      ? 'Every run belongs to a use case in an environment: call mlflow.set_experiment("<use case>/<environment>") first, or set MLFLOW_EXPERIMENT_NAME. Without it runs go to dev of the one use case that you may log to; here that is none, or not one alone.'
      : "An experiment is a use case in an environment: <use case>/<environment>.",
  });
}
