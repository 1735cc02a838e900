import type { CallContext, Digest, Environment, Money, ResourceRef } from "@portolan/kernel";
import type { ModelSignature } from "@portolan/onnx-format";
import type { FeaturePlan } from "@portolan/serving/contract";
import type { ScoredBytes, ScoringPlan, ScoringQuestion } from "./contract.ts";
import type { InputPlan } from "./input-plan.ts";

/** What scores: a version as an endpoint serves it, or by itself. */
export interface ScoringTarget {
  readonly useCaseId: string;
  readonly model: { readonly name: string; readonly version: number; readonly digest: Digest };
  readonly signature: ModelSignature;
  readonly features: FeaturePlan | null;
  readonly nonFinite: "refuse" | "missing" | "fallback" | "allow";
  readonly nonFiniteOutputs: "refuse" | "missing" | "fallback" | "allow";
  /** Empty: none need be named. */
  readonly purposes: readonly string[];
  readonly charter: ScoringPlan["charter"];
  /** Absent: the version runs here. */
  readonly upstream?: UpstreamTerms;
}

/** Where and within what another server is asked for the version, as its endpoint asks it. */
export interface UpstreamTerms {
  readonly region: string;
  readonly owner: string;
  /** Milliseconds that one request may take. */
  readonly timeoutMs: number;
  /** Requests under way at once, at most. */
  readonly mostAtOnce: number;
  /** Share of the requests that may be sent a second time, 0 to 1; absent: as for requests that no charter governs. */
  readonly retryShare?: number;
}

/** What one attempt at a chunk asked of another server. */
export interface UpstreamUse {
  readonly requests: number;
  /** Time that requests were under way, added up. */
  readonly busyMicros: number;
}

/** The endpoint or the model that the caller must be allowed to score with. */
export type TargetResource = Omit<ResourceRef, "organisationId" | "environment">;

export interface ScoringTargets {
  /**
   * @param allow asked as soon as it is known what the target is, before anything about it is told
   * @throws PortolanError 404s, what `allow` throws, and why the charter lets nothing be served
   */
  find(
    call: CallContext,
    question: ScoringQuestion,
    allow: (resource: TargetResource) => Promise<void>,
  ): Promise<ScoringTarget>;
  /**
   * Whether a version that was found earlier may go on scoring, by its name, whatever its endpoint serves by now.
   *
   * @throws PortolanError 404s, and why the charter in force lets it not be served
   */
  stillServes(call: CallContext, pinned: PinnedVersion): Promise<Pick<ScoringTarget, "purposes">>;
}

export interface PinnedVersion {
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly model: Pick<ScoringTarget["model"], "name" | "version">;
  /** Where the version was named by what an endpoint serves: nothing is scored by one that is halted or has ended. */
  readonly endpoint?: string;
}

/** Whether what the charter protects may be kept and worked on here; `data`'s residency check fits it. */
export interface Residency {
  require(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment; readonly name: string },
  ): Promise<void>;
}

export interface ChunkRequest {
  readonly model: Digest;
  readonly dataset: Digest;
  readonly plan: InputPlan;
  readonly keys: readonly string[];
  /** Rows of the file, in its order. */
  readonly from: number;
  readonly rows: number;
  /** What `_model` says. */
  readonly label: string;
  readonly upstream?: UpstreamTerms;
}

export interface ScoredChunk {
  readonly object: Digest;
  readonly rows: number;
  readonly refused: number;
  readonly rowsPerRun: number;
  /** Of the object, in their order. */
  readonly columns: readonly string[];
  readonly cpuSeconds: number;
  /** Absent of chunks from before they were counted. */
  readonly bytes?: ScoredBytes;
  /** Absent: the version ran here. */
  readonly upstream?: UpstreamUse;
}

/** What a chunk that is being scored has used so far; nothing is said of one that another server scores. */
export interface ChunkUse {
  /** Processor time that it had, or stood in line for: who goes last on a busy machine is not idle. */
  readonly cpuMicros: number;
}

/** Scores rows behind walls and stores them as Parquet; the same rows give the same bytes. */
export interface ChunkScorer {
  /** @throws PortolanError `scoring.chunk_failed`; `scoring.upstream_away` where another server runs the version and does not answer */
  score(request: ChunkRequest, signal: AbortSignal, onUsed?: (used: ChunkUse) => void): Promise<ScoredChunk>;
}

/** What a core costs, and what the plan takes for a prediction that is asked for by itself. */
export interface CpuPrices {
  of(
    call: CallContext,
    useCaseId: string,
  ): Promise<{ readonly cpuHour: Money; readonly realTimeCpuMs: number } | undefined>;
}
