import { asPlace, type CallContext } from "@portolan/kernel";
import { type Experiment, parseExperimentId } from "./experiment-id.ts";
import { type ExperimentDeps, findRun } from "./find-run.ts";

/** How MLflow's clients name the experiment of a script that names none. */
export const defaultExperimentId = "0";
export const defaultExperimentName = "Default";

/** Finds it by its id; MLflow's default is the one that `findDefault` finds. `undefined` for what can be none. */
export async function resolveExperiment(
  deps: ExperimentDeps,
  call: CallContext,
  id: string,
): Promise<Experiment | undefined> {
  if (id === defaultExperimentId) return findDefault(deps, call);
  return parseExperimentId(call.actor.organisationId, id);
}

/**
 * The experiment in `dev` of the one use case to which the caller may log; a trainer's is its run's. `undefined` where there is none, or
 * more than one: to guess would put runs where nobody looks for them.
 */
export async function findDefault(deps: ExperimentDeps, call: CallContext): Promise<Experiment | undefined> {
  const { organisationId, credential, environments: reached } = call.actor;
  if (credential?.kind === "run_token")
    return { ...(await findRun(deps, call, credential.runId)), organisationId };
  const environment = "dev";
  if (!reached.includes(environment)) return undefined;
  const found: Experiment[] = [];
  for (const { id: useCaseId } of await deps.useCases.list(organisationId)) {
    const resource = { type: "ClientRun", organisationId, environment, ...asPlace({ useCaseId }) } as const;
    if (!(await deps.authorizer.decide(call, "training:track", resource)).allowed) continue;
    if (found.length > 0) return undefined;
    found.push({ organisationId, useCaseId, environment });
  }
  return found[0];
}
