import type { CharterDocument } from "@portolan/charter/contract";
import type { Comparison, Evaluation, Measured } from "@portolan/evaluation/contract";
import type { TrainingSetRequest, TrainingSetView } from "@portolan/features/contract";
import type { CallContext, Environment, Transaction } from "@portolan/kernel";
import type { GateResult, Lineage, ModelVersion } from "@portolan/registry/contract";
import type { Release, ReleasePlan } from "@portolan/rollout/contract";
import type { TrainingRunRequest, TrainingRunView } from "@portolan/training/contract";
import type { AccuracyWindow, DriftFinding } from "./policy/hysteresis.ts";
import type { Span } from "./policy/spans.ts";
import type { RunCost } from "./report-schema.ts";

/** An endpoint and the version that answers at it. */
export interface Champion {
  readonly endpoint: string;
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly businessUnitId: string;
  readonly teamId: string | null;
  readonly model: string;
  readonly version: number;
}

/** What is served; `serving` has it. */
export interface Endpoints {
  find(call: CallContext, environment: Environment, name: string): Promise<Champion | undefined>;
  list(call: CallContext): Promise<readonly Champion[]>;
}

/** Told of a retraining's end in the transaction that ends it, where it made a version; whoever attests decisions has it. */
export type RetrainingEnded = (
  tx: Transaction,
  retraining: {
    readonly id: string;
    readonly environment: Environment;
    readonly model: string;
    readonly version: number;
  },
) => Promise<void>;

/** The charter in force; `charter` has it. */
export interface Charters {
  inForce(call: CallContext, useCaseId: string): Promise<CharterDocument | undefined>;
}

/** How a version was made: enough to make another one in the same way. */
export interface Recipe {
  readonly versionId: string;
  readonly artifact: string;
  readonly registeredAt: number;
  /** The set that it learned from, with the versions of its views. */
  readonly set: TrainingSetRequest;
  readonly span: Span;
  readonly run: TrainingRunRequest;
  readonly features: Lineage["features"];
}
export type FoundRecipe =
  | { readonly kind: "found"; readonly recipe: Recipe }
  | { readonly kind: "missing"; readonly because: string };

/** Records of versions, runs and sets; `registry`, `training` and `features` have them. */
export interface Recipes {
  find(call: CallContext, model: string, version: number): Promise<FoundRecipe>;
}

/** Rows that passed their contract; `data` has them. */
export interface ValidatedRows {
  /** The newest rows of a contract that a use case has in an environment. */
  newest(
    call: CallContext,
    of: { readonly contract: string; readonly environment: Environment; readonly useCaseId: string },
  ): Promise<
    { readonly datasetId: string; readonly firstEvent: number; readonly lastEvent: number } | undefined
  >;
}

/** What others do as durable jobs. Begun again under the same id it is what was begun before. */
export interface Sets {
  start(call: CallContext, id: string, request: TrainingSetRequest): Promise<void>;
  read(call: CallContext, id: string): Promise<TrainingSetView | undefined>;
}
export interface Runs {
  start(call: CallContext, id: string, request: TrainingRunRequest): Promise<void>;
  read(call: CallContext, id: string): Promise<TrainingRunView | undefined>;
  /** Tells its job to stop, if it is under way, in the transaction that ends the retraining. */
  cancel(tx: Transaction, id: string): Promise<void>;
}

export interface MeasuredPair {
  readonly model: string;
  readonly challenger: number;
  readonly champion: number;
  /** The held-out rows. */
  readonly setId: string;
}
/** Judges of versions; `evaluation` has them. `key` names the work: begun again under the same one it is what was begun before. */
export interface Judges {
  evaluation(
    call: CallContext,
    of: Omit<MeasuredPair, "champion">,
    key: string,
  ): Promise<Measured<Evaluation>>;
  evaluate(call: CallContext, of: Omit<MeasuredPair, "champion">, key: string): Promise<void>;
  comparison(call: CallContext, of: MeasuredPair, key: string): Promise<Measured<Comparison>>;
  compare(call: CallContext, of: MeasuredPair, key: string): Promise<void>;
}

export type Promotion =
  | { readonly kind: "promoted" }
  | { readonly kind: "blocked"; readonly failures: readonly GateResult[] };

/** Versions and their promotions; `registry` has them. */
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
      readonly features: Lineage["features"];
    },
  ): Promise<ModelVersion>;
  /** Promotes it, unless it is promoted there already. */
  promote(call: CallContext, model: string, version: number, to: Environment): Promise<Promotion>;
}

/** Releases; `rollout` has them. */
export interface Releases {
  start(
    call: CallContext,
    champion: Champion,
    version: number,
    plan: Partial<ReleasePlan> | undefined,
  ): Promise<Release>;
  read(call: CallContext, id: string): Promise<Release>;
  /** Of that version at the endpoint, begun since then. */
  find(call: CallContext, champion: Champion, version: number, since: number): Promise<Release | undefined>;
  rollBack(call: CallContext, id: string, reason: string): Promise<void>;
}

/** What is known of how a champion does; `monitoring` has it. */
export interface Signals {
  /** Mature windows of its labels in a metric, the oldest first. */
  accuracy(call: CallContext, champion: Champion, metric: string): Promise<readonly AccuracyWindow[]>;
  /** Whether outcomes show its predictions to be wrong more often than they were; it says itself when that is over. */
  concept(
    call: CallContext,
    champion: Champion,
  ): Promise<{
    readonly hasDrifted: boolean;
    readonly evidence: Readonly<Record<string, string | number>>;
  }>;
  drift(
    call: CallContext,
    champion: Champion,
  ): Promise<{
    readonly finding: DriftFinding;
    readonly evidence: Readonly<Record<string, string | number>>;
  }>;
}

/** What a use case may spend on training, as far as its policy says so. */
export interface TrainingBudget {
  /** Time that runs take from some moment on, in epoch microseconds. */
  readonly time?: { readonly ms: number; readonly since: number };
  /** Money from the start of the month on, in epoch microseconds; e.g. `40 USD/month`. */
  readonly money?: { readonly perMonth: string; readonly since: number };
}

export type Permit =
  /** With what it rests on, for the record of the retraining. */
  | { readonly kind: "yes"; readonly evidence: Readonly<Record<string, string>> }
  | {
      readonly kind: "no";
      readonly because: string;
      /** What says so, e.g. `charter_budget`: the same as long as the reason is the same, whatever the amounts in its words. */
      readonly by: readonly string[];
    };

/** Whether the work may be done now: quotas and budgets of whoever pays for it. It is asked before anything is made. */
export interface Permits {
  mayRun(
    call: CallContext,
    of: Pick<Champion, "useCaseId" | "businessUnitId" | "environment" | "model" | "version">,
    budget: TrainingBudget,
  ): Promise<Permit>;
}

/** What work on training costs; whoever has the prices tells it. */
export interface RunCosts {
  /**
   * Undefined where there is no such run, or no price.
   * @param perMonth a budget whose currency is wanted; absent: the charter's
   */
  ofRun(
    call: CallContext,
    of: { readonly useCaseId: string; readonly runId: string; readonly perMonth?: string },
  ): Promise<RunCost | undefined>;
}
