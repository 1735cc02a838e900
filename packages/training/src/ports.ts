import type { CallContext, Environment, Secret, Transaction } from "@portolan/kernel";

/** Outside dev nothing trains without a charter in force, and nowhere what it keeps elsewhere. */
export interface CharterGate {
  /**
   * @returns whether a regulation applies to the use case.
   * @throws PortolanError `charter.not_in_force` when the use case has no fully signed charter and the environment demands one,
   *   `charter.placement_refused` when it keeps the data out of the place where this process runs.
   */
  requireInForce(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment },
  ): Promise<{ readonly regulated: boolean }>;
}

/** What the registry knows of a version that a run may start from. */
export interface BaseModel {
  readonly artifact: string;
  readonly useCaseId: string;
  /** Absent: it was not trained here. */
  readonly trainingSetId?: string;
}

export interface BaseModels {
  /** @throws PortolanError where there is none that the caller may see */
  find(call: CallContext, name: string, version: number): Promise<BaseModel>;
}

/** Where trainers log what they see of their runs; `tracking` has it. */
export interface RunTracking {
  /**
   * Takes the tracking calls of one attempt of a run at a Unix socket, with a credential for it alone.
   *
   * @param socket a path in a folder that exists.
   */
  open(
    call: CallContext,
    attempt: {
      readonly runId: string;
      readonly environment: Environment;
      readonly useCaseId?: string;
      /** How long the trainer may take at most. */
      readonly lifetimeMs: number;
    },
    socket: string,
  ): Promise<{
    readonly token: Secret;
    /** Ends both, once the trainer has ended. */
    readonly close: () => Promise<void>;
  }>;
  /** Ends whatever attempt is open, in the transaction in which the run settles. */
  settle(tx: Transaction, runId: string): Promise<void>;
}
