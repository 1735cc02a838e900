import type { ReleaseTerms } from "@portolan/charter/contract";
import type {
  ArtifactCatalogue,
  Authorizer,
  CallContext,
  Digest,
  EpochMicros,
  ObjectStore,
  PlaceDirectory,
  Sql,
  Transaction,
  UnitOfWork,
} from "@portolan/kernel";
import type { ClassReliability, ClassSet, QuantitySet, ScoredSet } from "@portolan/numerics";
import type { ProbeReports } from "./probes/contract.ts";
import type { SliceValues } from "./slices/slice-values.ts";
import type { TextCase } from "./text/text-case.ts";
import type { MeasuredCompute } from "./worth/contract.ts";

export interface ScoreRequest {
  readonly model: Digest;
  readonly dataset: Digest;
  readonly labelColumn: string;
  readonly featureColumns: readonly string[];
  readonly baselineColumn?: string;
  /** Columns whose values are given back beside the scores; those that the rows do not have are left out. */
  readonly sliceColumns?: readonly string[];
}

/** Rows in the order of their file. */
export interface ScoredRows extends ScoredSet {
  readonly baseline?: Float64Array;
  readonly slices?: readonly SliceValues[];
}

/** Rows of quantities in the order of their file. */
export interface ScoredQuantities extends QuantitySet {
  readonly baseline?: Float64Array;
  readonly slices?: readonly SliceValues[];
}

/** Rows of several classes in the order of their file. */
export interface ScoredClasses extends ClassSet {
  /** What calibration needs of all probabilities; absent where scores are none. */
  readonly probabilities?: {
    /** Of the class that was said of each row. */
    readonly confidences: Float64Array;
    readonly reliability: ClassReliability;
  };
  readonly baseline?: Float64Array;
  readonly slices?: readonly SliceValues[];
}

/** Runs a model over held-out rows, outside this process: the model is not trusted yet. */
export interface Scorer {
  /** @throws PortolanError `evaluation.not_scorable` when rows, columns or outputs do not fit. */
  score(request: ScoreRequest, signal: AbortSignal): Promise<ScoredRows>;
  /** Of a model that answers quantities. @throws PortolanError as `score` */
  scoreQuantities(request: ScoreRequest, signal: AbortSignal): Promise<ScoredQuantities>;
  /** Of a model that answers a score for each of several classes; labels are their numbers. @throws PortolanError as `score` */
  scoreClasses(request: ScoreRequest, signal: AbortSignal): Promise<ScoredClasses>;
}

export interface ProbeRequest {
  readonly model: Digest;
  /** Held-out rows. */
  readonly dataset: Digest;
  /** The rows that a run of this platform trained it on, of the same columns. */
  readonly training?: Digest;
  readonly labelColumn: string;
  readonly featureColumns: readonly string[];
  /** Features that somebody can change, and how far: standard deviations of the training rows. */
  readonly robustness?: { readonly mutable: readonly string[]; readonly radius: number };
  readonly membership: boolean;
  readonly trainingData: boolean;
  /** True of a model that answers a score for each of several classes; labels are their numbers. */
  readonly isSeveral?: boolean;
}

/** Asks a model more than held-out rows, outside this process. */
export interface Prober {
  /**
   * What cannot be measured of a model says so in its report.
   * @throws PortolanError `evaluation.not_scorable` when rows, columns or outputs do not fit
   */
  probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeReports>;
}

export interface EvaluatedVersion {
  readonly id: string;
  readonly artifact: Digest;
  readonly useCaseId: string;
  /** The set that a run of this platform trained it on; absent for a model from elsewhere. */
  readonly trainingSetId?: string;
  readonly registeredAt: EpochMicros;
  /** Whether it takes tensors, or text of another server's model. */
  readonly speaks: "tensors" | "text";
}

export interface VersionLookup {
  /**
   * A version that is to be evaluated.
   * @throws PortolanError 404 when it does not exist or the caller may not see it; `charter.placement_refused`, with a ledger row, when
   * it runs where its charter lets no rows and no cases go
   */
  find(call: CallContext, model: string, version: number): Promise<EvaluatedVersion>;
  /** For whoever reads what is on record. @throws PortolanError 404 as above */
  requireSeen(call: CallContext, model: string, version: number): Promise<void>;
  /** Number of the model's version that is promoted in production, if the caller may see it. */
  promoted(call: CallContext, model: string): Promise<number | undefined>;
}

export interface ReleaseLookup {
  /** What the charter in force says of releases, if there is one. */
  terms(sql: Sql, useCaseId: string): Promise<ReleaseTerms | undefined>;
}

export interface ComputeLookup {
  /** What a version was measured to take of a machine; `undefined` while it has no profile. */
  find(sql: Sql, versionId: string): Promise<MeasuredCompute | undefined>;
}

/** What a text model said to one question. Faults of the question are values. */
export type TextReply =
  | {
      readonly kind: "answered";
      readonly text: string;
      readonly finishReason?: string;
      readonly promptTokens: number;
      readonly completionTokens: number;
      /** True where the server did not report the tokens. */
      readonly isEstimated: boolean;
    }
  /** The model refuses this question. */
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "timeout" }
  /** The server is away or busy: the same question may be answered later. */
  | { readonly kind: "unavailable"; readonly detail: string };

/** A text version whose server can be asked. */
export interface AskedModel extends AsyncDisposable {
  /**
   * One question at temperature 0. Never rejects.
   * @param timeoutMs until the whole answer
   */
  ask(question: TextCase, timeoutMs: number, signal: AbortSignal): Promise<TextReply>;
}

/** Reaches the servers of text versions, as gateways do. */
export interface TextAsker {
  /** @throws PortolanError `evaluation.not_text`, `upstream.*` */
  open(model: Digest): Promise<AskedModel>;
}

/** Told of each evaluation in the transaction that records it, so that others can enqueue what they make of it. */
export type EvaluationRecorded = (
  tx: Transaction,
  recorded: {
    readonly evaluation: string;
    readonly version: {
      readonly id: string;
      readonly model: string;
      readonly version: number;
      readonly useCaseId: string;
    };
  },
) => Promise<void>;

export interface TextEvaluationDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly versions: VersionLookup;
  readonly release: ReleaseLookup;
  readonly asker: TextAsker;
  readonly recorded?: EvaluationRecorded;
}
