import type { Environment, Sql } from "@portolan/kernel";
import type {
  CharterFacts,
  DecisionFacts,
  DeploymentFacts,
  EvaluationFacts,
  GateResult,
  LockedPackage,
  ModelVersion,
  TrainingFacts,
  TrainingSetFacts,
} from "./contract.ts";
import type { FoundUpstream, StatedUpstream, UpstreamHolder } from "./upstream.ts";

/** What the registry must know of the charter that governs a use case. */
export interface GoverningCharter {
  readonly charterId: string;
  readonly digest: string;
  /** Names of the release gates derived from it, by what a version speaks. */
  readonly requiredGates: Readonly<Record<"tensors" | "text", readonly string[]>>;
  /** Controls it demands that nothing enforces yet: they block production. */
  readonly notEnforced: readonly string[];
}

export interface CharterLookup {
  /** The charter in force, or `undefined` when the use case has none that is fully signed. */
  inForce(sql: Sql, useCaseId: string): Promise<GoverningCharter | undefined>;
}

/** What the platform's own record says that a training run used and made. */
export interface TrainedArtifact {
  readonly model: string;
  readonly useCaseId?: string;
  readonly trainingSetId: string;
  readonly data: string;
  /** The artifact that the program started from; absent: from nothing. */
  readonly base?: string;
  readonly code: string;
  readonly params: string;
  readonly environmentLock: string;
  readonly seed: number;
  /** Of the training set: a model is of the class of what it learned from. */
  readonly dataClass?: "research";
}

export interface TrainingRecord {
  /** `undefined` when there is no such run, or it did not succeed. */
  find(sql: Sql, organisationId: string, runId: string): Promise<TrainedArtifact | undefined>;
}

export interface GateEvidence {
  /**
   * The newest evaluation of a version, judged by the charter in force now; empty when there was none.
   * @param replaces the version that it would replace in production: the two are held against each other where the charter says so
   */
  latest(sql: Sql, versionId: string, useCaseId: string, replaces?: string): Promise<readonly GateResult[]>;
}

/** For whom, and in which environment, a version is being registered. */
export interface UpstreamRegistrant extends UpstreamHolder {
  readonly environment: Environment;
}

/** Asks another inference server what it serves. */
export interface UpstreamProbe {
  /** @throws PortolanError `upstream.*` when it may not be asked, does not answer, or serves no such model */
  describe(stated: StatedUpstream, registrant: UpstreamRegistrant): Promise<FoundUpstream>;
}

/** What other domains have on record of a version, for the statements that are made about it. */
export interface VersionSources {
  /** The run that made it; `undefined` when there is none that succeeded. */
  training(sql: Sql, organisationId: string, runId: string): Promise<TrainingFacts | undefined>;
  /** The rows that it learned from; `undefined` when they are not ready or are gone. */
  trainingSet(sql: Sql, organisationId: string, id: string): Promise<TrainingSetFacts | undefined>;
  /** What a lock file pins; empty when its bytes are gone. */
  packages(lock: string): Promise<readonly LockedPackage[]>;
  /** All its evaluations, oldest first. */
  evaluations(sql: Sql, versionId: string): Promise<readonly EvaluationFacts[]>;
  /** One version of a charter with who signed it. */
  charter(sql: Sql, organisationId: string, id: string): Promise<CharterFacts | undefined>;
  /** What people decided about it and is over, oldest first. */
  decisions(sql: Sql, organisationId: string, version: ModelVersion): Promise<readonly DecisionFacts[]>;
  /** Deployments that named it, oldest first; of many the newest. */
  deployments(sql: Sql, organisationId: string, version: ModelVersion): Promise<readonly DeploymentFacts[]>;
}
