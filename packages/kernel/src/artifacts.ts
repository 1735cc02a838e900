import type { CallContext, Environment } from "./actor.ts";
import type { Digest } from "./digest.ts";
import type { EpochMicros } from "./time.ts";
import type { Sql, Transaction } from "./unit-of-work.ts";
import type { EnvironmentPlace } from "./work-places.ts";

/** What bytes are to the place that holds them. */
export type ArtifactKind =
  | "upload"
  | "source"
  | "dataset"
  | "quarantine"
  | "dead_letters"
  | "training_set"
  | "feature_log"
  | "reference_profile"
  | "compute_profile"
  | "explanation_background"
  | "evaluation_results"
  | "scored_snapshot"
  | "model"
  | "signature"
  | "training_log";

/** Kinds of bytes that hold rows of data as they came or were made: policies on data decide who gets them. */
export const rowKinds: readonly ArtifactKind[] = [
  "source",
  "dataset",
  "quarantine",
  "dead_letters",
  "training_set",
  "feature_log",
  "scored_snapshot",
];

export interface ArtifactReference {
  readonly digest: string;
  readonly kind: ArtifactKind;
}

/**
 * Who holds which bytes, where. The object store keeps equal bytes once for everybody; a digest is therefore no
 * permission, and this is. Implemented by `registry`, taken by every use case that stores bytes or is named a digest.
 */
export interface ArtifactCatalogue {
  /** Notes, with the effect that made the bytes, that the caller's organisation holds them there. Repeatable. */
  note(tx: Transaction, at: EnvironmentPlace, references: readonly ArtifactReference[]): Promise<void>;
  /**
   * A digest that a caller named, for work at a place: its organisation holds the bytes in that environment, for that
   * use case, its team or everybody, and the caller may read them. Bytes that are rows of data, or that an ingestion took, are none that a caller may
   * name, who did not upload them: what is made of them would be past the policies that they are under. Work that goes on with its own rows says
   * `rows`.
   *
   * @throws PortolanError `registry.artifact_not_found`, the same whatever is missing.
   */
  require(call: CallContext, digest: string, at: EnvironmentPlace, held?: "rows"): Promise<Digest>;
}

/** Bytes that are about to be handed out, and where the caller may read artifacts among the places that hold them. */
export interface BytesToRelease {
  readonly digest: Digest;
  readonly places: readonly EnvironmentPlace[];
  /** Whether a place holds them as rows of data. */
  readonly isRows: boolean;
  /** What the caller says that they are read for. */
  readonly purpose?: string;
}

/** Decides over bytes that hold rows of data, before they are handed out whole or named for work. Implemented by `data`, asked by `registry`. */
export interface RowBytes {
  /**
   * Resolves when the bytes hold no rows that policies on data speak of, or when these allow the caller all of them, unmasked and unfiltered, for
   * the purpose; that is on the ledger then, and so is a refusal.
   *
   * @throws PortolanError `data.access_denied`; `kernel.not_found` where the caller may read no rows
   */
  release(call: CallContext, bytes: BytesToRelease): Promise<void>;
  /** Whether bytes are rows of data there, whatever they were first held as: a dataset, what an ingestion took or kept out, what was made of datasets. */
  areRows(call: CallContext, digest: Digest, environment: Environment): Promise<boolean>;
}

/** Bytes that an organisation holds in an environment. */
export interface HeldBytes {
  readonly digest: Digest;
  readonly kind: ArtifactKind;
  readonly environment: Environment;
}

/** Whether something that notes no reference names these bytes, in whatever organisation. */
export type OtherHolder = (sql: Sql, digest: Digest) => Promise<boolean>;

/**
 * Takes bytes out of the object store, which keeps equal ones once for everybody: they go when the last reference has gone, and not before.
 * Implemented by `registry`.
 */
export interface ByteRemoval {
  /** What the caller's organisation holds in these environments. */
  held(sql: Sql, organisationId: string, environments: readonly Environment[]): Promise<HeldBytes[]>;
  /**
   * References of the caller's organisation in these environments name the bytes that took the place, or go where none did. Other
   * environments and organisations keep theirs. Repeatable.
   *
   * @returns `gone`: the bytes that were to take the place were removed after they were stored, and nothing was changed. They have to be
   * stored anew.
   */
  succeed(
    tx: Transaction,
    environments: readonly Environment[],
    change: { readonly before: Digest; readonly after?: Digest },
  ): Promise<"moved" | "gone">;
  /** References of these kinds, of the caller's organisation in these environments, go; others to the same bytes stay. Repeatable. */
  release(
    tx: Transaction,
    environments: readonly Environment[],
    digest: Digest,
    kinds: readonly ArtifactKind[],
  ): Promise<void>;
  /**
   * Removes bytes that nobody holds any more; `held` where somebody does, of whom nothing is told. Whoever stores the same bytes at that
   * moment and notes them afterwards is refused and stores them again: nothing is ever noted whose bytes are gone. Repeatable.
   */
  discard(call: CallContext, digest: Digest): Promise<"removed" | "held">;
  /**
   * Finishes removals that began before that moment and that nobody finished: until then whoever stores the same bytes is refused. Those that
   * somebody holds by now stay. Resolves to how many were finished; repeatable.
   *
   * @throws what the first that failed threw, after all others were tried
   */
  finishRemovals(call: CallContext, begunBefore: EpochMicros): Promise<number>;
}
