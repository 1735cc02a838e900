import type { CharterDocument } from "@portolan/charter/contract";
import type { Environment } from "@portolan/kernel";
import type { RecordedFact } from "@portolan/recorded-facts";

/** A record that speaks for a use case. */
export type Evidence = RecordedFact;

/** Kinds of records that are looked for; what each holds is said where it is read. */
export const recordKinds = [
  "contract",
  "dataset",
  "feature_view",
  "data_policy",
  "plan",
  "narrow_role",
  "checkpoint",
  "training_run",
  "version",
  "compute_profile",
  "passed_evaluation",
  "promotion",
  "endpoint",
  "endpoint_with_features",
  "earlier_deployment",
  "gateway",
  "released",
  "second_approval",
  "pipeline",
  "request_count",
  "answers",
  "outcomes",
  "explanation",
  "review",
  "reference_profile",
  "drift_window",
  "alert_route",
  "retraining_policy",
  "metered_month",
] as const;
export type RecordKind = (typeof recordKinds)[number];
export type Found = Readonly<Partial<Record<RecordKind, readonly Evidence[]>>>;

/** The charter in force, or where there is none the newest one that was submitted. */
export interface CharterFact {
  readonly id: string;
  readonly version: number;
  /** Absent while it is not in force. */
  readonly inForceSince?: number;
  readonly document: CharterDocument;
  readonly signedRoles: readonly string[];
}

/** What a production endpoint is, for the anti-patterns. */
export interface ServedFact {
  readonly endpoint: string;
  readonly model: string;
  readonly version: number;
  readonly deployedAt: number;
  /** Absent: the version is not to be found, or another server runs it. */
  readonly origin?: "trained" | "imported";
  /** The version is, or was, promoted to production by gates. */
  readonly isPromoted: boolean;
  /** Feature views that the version learned from, and that the gateway reads for it. */
  readonly learnedFromViews: boolean;
  readonly readsViews: boolean;
  /** It took another version's place, and no release put it there. */
  readonly cameByHand: boolean;
  /** Requests that were counted in the last month. */
  readonly requests: number;
  readonly isGpuFirst: boolean;
  /** p95 of one row on one processor core; absent: not measured. */
  readonly cpuP95Micros?: number;
}

/** All that a judgement of a use case rests on. */
export interface UseCaseFacts {
  readonly useCase: { readonly id: string; readonly name: string; readonly createdAt: number };
  readonly now: number;
  /** Those whose records were looked at: the ones that the caller may read. */
  readonly environments: readonly Environment[];
  readonly charter?: CharterFact;
  readonly found: Found;
  readonly served: readonly ServedFact[];
}
