import { type Environment, environments } from "@portolan/kernel";

/** What an experiment is here: the runs of one use case in one environment, or those of an organisation without one. */
export interface Experiment {
  readonly organisationId: string;
  readonly useCaseId?: string;
  readonly environment: Environment;
}

/** `<use case or organisation>-<environment>`: the letters that MLflow's clients allow in the id of an experiment. */
export function experimentIdOf({ organisationId, useCaseId, environment }: Experiment): string {
  return `${useCaseId ?? organisationId}-${environment}`;
}

/** `undefined` for what is the id of no experiment that the organisation can have. */
export function parseExperimentId(organisationId: string, text: string): Experiment | undefined {
  const at = text.lastIndexOf("-");
  const owner = text.slice(0, at);
  const environment = environments.find((name) => name === text.slice(at + 1));
  if (at < 1 || environment === undefined) return undefined;
  if (owner === organisationId) return { organisationId, environment };
  return owner.startsWith("uc_") ? { organisationId, useCaseId: owner, environment } : undefined;
}
