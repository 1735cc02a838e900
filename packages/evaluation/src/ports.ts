import type { AccuracyBound } from "@portolan/charter/contract";
import type { CallContext, Digest, EpochMicros, Sql } from "@portolan/kernel";
import type { ScoredSet } from "@portolan/numerics";

export interface ScoreRequest {
  readonly model: Digest;
  readonly dataset: Digest;
  readonly labelColumn: string;
  readonly featureColumns: readonly string[];
  readonly baselineColumn?: string;
}

/** Runs a model over held-out rows, outside this process: the model is not trusted yet. */
export interface Scorer {
  /** @throws PortolanError `evaluation.not_scorable` when rows, columns or outputs do not fit. */
  score(
    request: ScoreRequest,
    signal: AbortSignal,
  ): Promise<ScoredSet & { readonly baseline?: Float64Array }>;
}

export interface EvaluatedVersion {
  readonly id: string;
  readonly artifact: Digest;
  readonly useCaseId: string;
  /** The set that a run of this platform trained it on; absent for a model from elsewhere. */
  readonly trainingSetId?: string;
  readonly registeredAt: EpochMicros;
}

export interface VersionLookup {
  /** @throws PortolanError 404 when it does not exist or the caller may not see it. */
  find(call: CallContext, model: string, version: number): Promise<EvaluatedVersion>;
}

export interface AccuracyLookup {
  /** The accuracy bound of the charter in force, if there is one. */
  bound(sql: Sql, useCaseId: string): Promise<AccuracyBound | undefined>;
}
