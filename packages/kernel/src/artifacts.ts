import type { CallContext } from "./actor.ts";
import type { Digest } from "./digest.ts";
import type { Transaction } from "./unit-of-work.ts";
import type { EnvironmentPlace } from "./work-places.ts";

/** What bytes are to the place that holds them. */
export type ArtifactKind =
  | "upload"
  | "dataset"
  | "quarantine"
  | "dead_letters"
  | "training_set"
  | "feature_log"
  | "reference_profile"
  | "compute_profile"
  | "evaluation_results"
  | "scored_snapshot"
  | "model"
  | "signature"
  | "training_log";

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
   * use case, its team or everybody, and the caller may read them.
   *
   * @throws PortolanError `registry.artifact_not_found`, the same whatever is missing.
   */
  require(call: CallContext, digest: string, at: EnvironmentPlace): Promise<Digest>;
}
