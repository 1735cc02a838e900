import type { CallContext, Environment, Sql, Transaction } from "@portolan/kernel";
import type { BlockAddress, PredictionHeader, StoredPrediction } from "@portolan/predictions/contract";
import type { DeployRequest } from "@portolan/serving/contract";

/** Records of accepted blocks, asked for by control itself; `predictions` has them. */
export interface BlockRecords {
  /** Of the caller's organisation in a block. */
  ofBlock(call: CallContext, block: BlockAddress): Promise<readonly StoredPrediction[]>;
}

/** The deployment in force at an endpoint; `serving` has it. */
export interface ReleasedEndpoint {
  readonly deploymentId: string;
  /** First snapshot that carries it; null until it is published. */
  readonly snapshotVersion: number | null;
  /** As it was asked for. */
  readonly request: DeployRequest;
  readonly deployedBy: string;
  readonly businessUnitId: string;
  readonly teamId: string | null;
}

export interface Endpoints {
  find(call: CallContext, environment: Environment, name: string): Promise<ReleasedEndpoint | undefined>;
  /**
   * When the end of a version at an endpoint is announced for, or came, in epoch microseconds; undefined where it is not. Read in the transaction that starts
   * its release: of an end and a release of the same moment only one is committed.
   */
  endOf(
    sql: Sql,
    at: { readonly organisationId: string; readonly environment: Environment; readonly endpoint: string },
    version: { readonly model: string; readonly version: number },
  ): Promise<number | undefined>;
  /** @throws PortolanError what `deploy` would throw */
  check(call: CallContext, name: string, request: DeployRequest): Promise<void>;
  /**
   * Puts the endpoint into another state.
   * @param insteadOf the deployment that it replaces
   * @returns the id of the deployment
   * @throws PortolanError `kernel.conflict` when another deployment than `insteadOf` is in force by now, and when the charter or the registry do
   * not allow it
   */
  deploy(call: CallContext, name: string, request: DeployRequest, insteadOf: string): Promise<string>;
}

/** Records of predictions; `predictions` has them. */
export interface Predictions {
  /** Undefined for one that is not there, or not yet. */
  find(call: CallContext, predictionId: string): Promise<PredictionHeader | undefined>;
}

/** Told of a release's end in the transaction that ends it; whoever attests decisions has it. */
export type ReleaseEnded = (
  tx: Transaction,
  release: {
    readonly id: string;
    readonly environment: Environment;
    readonly model: string;
    readonly version: number;
  },
) => Promise<void>;

/** What the charter in force says that concerns a release; `charter` has it. */
export interface ReleaseTerms {
  readonly latencyMsP95: number;
  readonly riskTolerance: "low" | "medium" | "high";
  /** Of a classifier of several classes their names, none where they are known by their number; absent: another task. */
  readonly several?: readonly string[];
  /** Answers are scores of the rows of a list. */
  readonly isRanking?: boolean;
}
export interface ReleaseCharters {
  /** Undefined where none is in force. */
  termsFor(call: CallContext, useCaseId: string): Promise<ReleaseTerms | undefined>;
}
