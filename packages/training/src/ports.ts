import type { CallContext, Digest, Environment, Place, Secret, Transaction } from "@portolan/kernel";

/** Outside dev nothing trains without a charter in force, and nowhere what it keeps elsewhere. */
export interface CharterGate {
  /**
   * @returns whether a regulation applies to the use case.
   * @throws PortolanError `charter.not_in_force` when the use case has no fully signed charter and the environment demands one,
   *   `charter.placement_refused` when it keeps the data out of the place where this process runs, or out of `at`.
   */
  requireInForce(
    call: CallContext,
    what: {
      readonly useCaseId?: string;
      readonly environment: Environment;
      /** Where the data are to be sent as well. */
      readonly at?: Place;
    },
  ): Promise<{ readonly regulated: boolean }>;
  /**
   * Asked before a run is taken on, and never again: what is under way goes on.
   * @throws PortolanError `metering.budget_exhausted` where the charter holds new work, for its month's money is spent
   */
  requireBudget?(call: CallContext, useCaseId: string): Promise<void>;
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

/** One attempt of a run, as its tracking calls are taken. */
export interface TrackedAttempt {
  readonly runId: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** How long the trainer may take at most. */
  readonly lifetimeMs: number;
}

/** Tracking for trainers elsewhere, which call the server's own address. */
export interface RemoteTracking {
  /** A credential for one attempt of a run alone; it ends at its lifetime, and when the run settles. That of an earlier attempt ends with it. */
  grant(call: CallContext, attempt: TrackedAttempt): Promise<Secret>;
  /** A file that the run's trainer logged, whose bytes are in the object store. */
  findFile(
    call: CallContext,
    runId: string,
    /** Below the run's artifacts. */
    path: string,
  ): Promise<{ readonly digest: Digest; readonly sizeBytes: number } | undefined>;
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
    attempt: TrackedAttempt,
    socket: string,
  ): Promise<{
    readonly token: Secret;
    /** Ends both, once the trainer has ended. */
    readonly close: () => Promise<void>;
  }>;
  /** Ends whatever attempt is open, in the transaction in which the run settles. */
  settle(tx: Transaction, runId: string): Promise<void>;
}
