import type {
  ArtifactCatalogue,
  Authorizer,
  CallContext,
  Clock,
  Digest,
  Environment,
  ObjectStore,
  UnitOfWork,
} from "@portolan/kernel";
import type { FeatureValue, StoredPrediction } from "@portolan/predictions/contract";
import type { Explanation, ExplanationBackground } from "./contract.ts";

/** A version whose answers may be explained; `registry` has it. */
export interface ExplainedVersion {
  readonly id: string;
  readonly model: string;
  readonly version: number;
  readonly artifact: Digest;
  readonly useCaseId: string;
  /** What the platform trained it on; absent for a model from elsewhere. */
  readonly trainingSetId?: string;
}

/** One element of the model's input that a feature or a column of the request filled. */
export interface FilledCell {
  readonly input: string;
  readonly index: number | null;
}

export type RecordedRow =
  /** As the gateway filled the model's inputs: a value for each cell, row by row. */
  | {
      readonly kind: "cells";
      readonly cells: readonly FilledCell[];
      readonly values: readonly FeatureValue[];
    }
  /** As the caller sent them: a body in JSON of the Open Inference Protocol or of its V1. */
  | { readonly kind: "body"; readonly text: string };

export interface ExplainRequest {
  /** Whose turn it takes. */
  readonly organisationId: string;
  readonly model: Digest;
  readonly background: Digest;
  readonly recorded: RecordedRow;
  /** The recorded answer, in JSON. */
  readonly answer: string;
  readonly row: number;
  readonly top: number;
  /** Columns that the nearest change leaves alone. */
  readonly fixed: readonly string[];
}

/** A recorded prediction among many of one version. */
export type PredictionAsked = Pick<ExplainRequest, "recorded" | "answer" | "top" | "fixed">;

export interface ExplainManyRequest extends Pick<ExplainRequest, "model" | "background"> {
  readonly asked: readonly PredictionAsked[];
  /** Rows of a request that are explained, from the first. */
  readonly mostRows: number;
}

export type PredictionExplained =
  | {
      readonly kind: "explained";
      /** Rows that the request has; of so many as were asked for there is an explanation. */
      readonly rows: number;
      readonly explained: readonly ExplainedRow[];
    }
  | { readonly kind: "refused"; readonly reason: string };

export type RoundEnd =
  | { readonly kind: "done" }
  /** Model and background do not fit: none of them can be explained. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Its process ended at the first one that was not kept. */
  | { readonly kind: "cut_off"; readonly reason: string };

export type ExplainedRow = Pick<
  Explanation,
  | "method"
  | "decided"
  | "target"
  | "unit"
  | "score"
  | "expected"
  | "contributions"
  | "othersContribution"
  | "counterfactual"
  | "counterfactualSearch"
  | "reproduced"
>;

/** What there is to explain against, as it was counted. */
export type CountedBackground = Pick<
  ExplanationBackground,
  "columns" | "covers" | "means" | "spreads" | "standIns"
> &
  Pick<ExplanationBackground["data"], "rows" | "sampledEvery">;

/** Works on models outside this process. */
export interface Explainer {
  /** @returns why a model's answers cannot be explained, where they cannot. @throws PortolanError `evaluation.not_explainable` when rows and model do not fit */
  background(
    request: { readonly model: Digest; readonly dataset: Digest; readonly features: readonly string[] },
    signal: AbortSignal,
  ): Promise<CountedBackground | { readonly unexplainable: string }>;
  /** @throws PortolanError `evaluation.not_explainable` */
  explain(request: ExplainRequest, signal: AbortSignal): Promise<ExplainedRow>;
  /**
   * Explains predictions of one version, behind whoever waits for an answer of `explain`. `keep` gets each as it is found, by its place in the request and in that order; the first
   * that it never gets is the one that was under way when time, memory or the process ended.
   *
   * @returns how it ended: `done` too when its time was over before the last one
   * @throws what `signal` was aborted for
   */
  explainMany(
    request: ExplainManyRequest,
    keep: (at: number, result: PredictionExplained) => void,
    signal: AbortSignal,
  ): Promise<RoundEnd>;
}

export interface ExplainDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly versions: {
    /** @throws PortolanError 404 when it does not exist or the caller may not see it. */
    find(call: CallContext, model: string, version: number): Promise<ExplainedVersion>;
  };
  readonly predictions: {
    /** @throws PortolanError 404, 403 */
    get(call: CallContext, id: string): Promise<StoredPrediction>;
  };
  readonly deployments: {
    /** What filled the inputs of this model behind an endpoint, by its deployments up to a snapshot, newest first: names as records state them, with their cells. */
    fillings(
      call: CallContext,
      asked: {
        readonly environment: Environment;
        readonly endpoint: string;
        readonly artifact: string;
        readonly snapshotVersion: number;
      },
    ): Promise<readonly (readonly (FilledCell & { readonly name: string })[])[]>;
  };
  readonly explainer: Explainer;
  /** What the charter in force calls the classes of a model of several; absent: they are called by their places. */
  readonly classes?: { of(call: CallContext, useCaseId: string): Promise<readonly string[] | undefined> };
}
