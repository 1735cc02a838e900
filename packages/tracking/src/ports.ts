import type { CallContext, Environment, PortolanError, ResourceRef } from "@portolan/kernel";

/**
 * Who made a run: `trainer`, a job of `training`, whose trainer alone logs to it; `client`, whoever asked for it by MLflow's API.
 * Only the first is evidence of how a model was made.
 */
export type RunOrigin = "trainer" | "client";

/** A run as MLflow's API shows it. */
export interface TrackedRun {
  readonly id: string;
  readonly origin: RunOrigin;
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** A client's run is `running` always: how it stands is what its owner says. */
  readonly state: "waiting" | "running" | "succeeded" | "failed" | "cancelled";
  /** Id of the principal. */
  readonly startedBy: string;
  /** Epoch microseconds. */
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** Epoch microseconds since when MLflow's clients see it as deleted; runs of training never are. */
  readonly deletedAt?: number;
}

/** The runs of `training`. */
export interface RunDirectory {
  /** @throws PortolanError 404 when there is no such run or the caller may not read it. */
  find(call: CallContext, runId: string): Promise<TrackedRun>;
  /** How a run that does not exist is answered, for one that the caller may not see. */
  missing(runId: string): PortolanError;
}

export interface NamedUseCase {
  readonly id: string;
  readonly name: string;
  /** Epoch microseconds. */
  readonly createdAt: number;
}

/** Names of use cases; `identity` has them. */
export interface UseCaseNames {
  /** By id or name, within the organisation. */
  find(
    organisationId: string,
    idOrName: string,
  ): Promise<{ readonly id: string; readonly name: string } | undefined>;
  /** All of the organisation, by name. */
  list(organisationId: string): Promise<readonly NamedUseCase[]>;
}

/** Leaves the record of a refusal that no policy made; `identity` has it. */
export type RecordRefusal = (
  call: CallContext,
  refused: { readonly action: string; readonly resource: ResourceRef; readonly reason: string },
) => void | Promise<void>;
