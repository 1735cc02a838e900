import type { CallContext, Environment, PortolanError } from "@portolan/kernel";

/** A training run, as an MLflow run shows it; `training` has it. */
export interface TrackedRun {
  readonly id: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly state: "waiting" | "running" | "succeeded" | "failed" | "cancelled";
  /** Epoch microseconds. */
  readonly startedAt: number;
  readonly finishedAt?: number;
}

export interface RunDirectory {
  /** @throws PortolanError 404 when there is no such run or the caller may not read it. */
  find(call: CallContext, runId: string): Promise<TrackedRun>;
  /** How a run that does not exist is answered, for one that the caller may not see. */
  missing(runId: string): PortolanError;
}

/** Names of use cases; `identity` has them. */
export interface UseCaseNames {
  /** By id or name, within the organisation. */
  find(
    organisationId: string,
    idOrName: string,
  ): Promise<{ readonly id: string; readonly name: string } | undefined>;
}
