import type { Comparison, Evaluation, Measured } from "@portolan/evaluation/contract";
import type { TrainingSetRequest, TrainingSetView } from "@portolan/features/contract";
import type { CallContext, Environment, Transaction } from "@portolan/kernel";
import type { GateResult, Lineage, ModelVersion } from "@portolan/registry/contract";
import type { Release, ReleasePlan } from "@portolan/rollout/contract";
import type { TrainingRunRequest, TrainingRunView } from "@portolan/training/contract";

/** Training sets; `features` has them. Begun again under the same id it is what was begun before. */
export interface Sets {
  /**
   * What a set of that request would be built from now: the dataset, the views' versions and the policies on data.
   * @returns undefined where something of it is not there
   */
  inputs(call: CallContext, request: TrainingSetRequest): Promise<readonly string[] | undefined>;
  start(call: CallContext, id: string, request: TrainingSetRequest): Promise<void>;
  read(call: CallContext, id: string): Promise<TrainingSetView | undefined>;
  /** Tells its job to stop, where it is under way. */
  cancel(tx: Transaction, id: string): Promise<void>;
}

/** Training runs; `training` has them. */
export interface Runs {
  /** @param priority of its job among those that wait; 0 by default */
  start(call: CallContext, id: string, request: TrainingRunRequest, priority?: number): Promise<void>;
  read(call: CallContext, id: string): Promise<TrainingRunView | undefined>;
  cancel(tx: Transaction, id: string): Promise<void>;
}

/** A version, and the held-out rows that it is judged by. */
export interface JudgedVersion {
  readonly model: string;
  readonly challenger: number;
  readonly setId: string;
}
export interface JudgedPair extends JudgedVersion {
  readonly champion: number;
}

/** Judges of versions; `evaluation` has them. `key` names the work: begun again under the same one it is what was begun before. */
export interface Judges {
  evaluation(call: CallContext, of: JudgedVersion, key: string): Promise<Measured<Evaluation>>;
  evaluate(call: CallContext, of: JudgedVersion, key: string): Promise<void>;
  comparison(call: CallContext, of: JudgedPair, key: string): Promise<Measured<Comparison>>;
  compare(call: CallContext, of: JudgedPair, key: string): Promise<void>;
  /** Tells jobs of that key to stop, where they are under way. */
  cancel(tx: Transaction, key: string): Promise<void>;
}

export type Promotion =
  | { readonly kind: "promoted" }
  | { readonly kind: "blocked"; readonly failures: readonly GateResult[] };

/** Versions; `registry` has them. */
export interface Versions {
  find(call: CallContext, model: string, version: number): Promise<ModelVersion>;
  /** Registers and signs what a run made. The same again is the same version. */
  register(
    call: CallContext,
    of: {
      readonly model: string;
      readonly useCaseId: string;
      readonly environment: Environment;
      readonly artifact: string;
      readonly trainingRunId: string;
      /** What the version is asked with, where it differs from what the run says. */
      readonly features?: Lineage["features"] | undefined;
    },
  ): Promise<ModelVersion>;
  /** Promotes it, unless it is promoted there already. */
  promote(call: CallContext, model: string, version: number, to: Environment): Promise<Promotion>;
}

/** What answers at an endpoint. */
export interface Served {
  readonly endpoint: string;
  readonly environment: Environment;
  readonly model: string;
  readonly version: number;
}

/** Endpoints; `serving` has them. */
export interface Endpoints {
  find(call: CallContext, environment: Environment, name: string): Promise<Served | undefined>;
}

/** Releases; `rollout` has them. */
export interface Releases {
  start(
    call: CallContext,
    at: Served,
    version: number,
    plan: Partial<ReleasePlan> | undefined,
  ): Promise<Pick<Release, "id">>;
  read(call: CallContext, id: string): Promise<Pick<Release, "state" | "isSettled" | "reasons">>;
  /** Of that version at the endpoint, begun since then (epoch microseconds). */
  find(
    call: CallContext,
    at: Served,
    version: number,
    since: number,
  ): Promise<Pick<Release, "id"> | undefined>;
  rollBack(call: CallContext, id: string, reason: string): Promise<void>;
}

/** What the stages need of other domains. */
export interface Elsewhere {
  readonly sets: Sets;
  readonly runs: Runs;
  readonly judges: Judges;
  readonly versions: Versions;
  readonly endpoints: Endpoints;
  readonly releases: Releases;
}
