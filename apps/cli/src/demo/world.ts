import type { EpochMicros } from "@portolan/kernel";
import { uploadArtifact } from "../client/artifacts.ts";
import type { CliContext } from "../context.ts";
import type { RunState } from "../supervisor/state-file.ts";
import type { Cast } from "./cast.ts";

/** What the steps of the demo know and leave for each other. */
export interface World {
  readonly context: CliContext;
  readonly state: RunState;
  readonly cast: Cast;
  /** The user's folder: charter, contracts, feature views, training. */
  readonly folder: string;
  /** The plan of the beginning. */
  planId?: string;
  datasetId?: string;
  trainingSet?: TrainingSet;
  heldOut?: TrainingSet;
  /** What answers at the endpoint. */
  version?: number;
  /** What answered first. */
  firstVersion?: number;
  /** When the replayed traffic began to arrive. */
  replayedFrom?: EpochMicros;
  /** Departures until then were replayed. */
  replayedTo?: EpochMicros;
  lastPrediction?: string;
  retrainingId?: string;
  /** The release that the retraining ended in. */
  releaseId?: string;
  summary: DemoSummary;
}

export interface TrainingSet {
  readonly id: string;
  readonly object: string;
  readonly features: readonly string[];
  readonly label: string;
  readonly rows: number;
  readonly views: readonly { readonly view: string; readonly digest: string }[];
}

/** What the demo prints at its end, and gives under `--json`. */
export interface DemoSummary {
  accepted?: number;
  quarantined?: number;
  auc?: { readonly value: number; readonly low: number; readonly high: number; readonly baseline: number };
  served?: number;
  latencyMs?: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Area under the curve of the replayed traffic, from the outcomes that followed. */
  live?: number;
  /** Predictions that were answered while control was away. */
  answeredMeanwhile?: number;
  retrained?: { readonly version: number };
  rolledBack?: { readonly seconds: number; readonly requests: number };
  parity?: { readonly compared: number; readonly mismatches: number };
  /** What was metered of the use case this month, at the plan's prices. */
  statement?: {
    readonly requests: number;
    readonly cost: string;
    readonly perThousand: string;
    readonly plannedServing: string;
    /** The month's statement: the bill of this machine's cores, and its parts. */
    readonly total: string;
    readonly ours: string;
    readonly idle: string;
    readonly page: string;
  };
  verified?: { readonly rows: number; readonly checkpoints: number };
}

export const modelName = "flight-delays";
export const endpointName = "flight-delays";

/** Uploads bytes for the use case; the answer is their content address. */
export async function upload(world: World, bytes: Uint8Array): Promise<string> {
  const { as, useCaseId } = world.cast;
  return uploadArtifact(as.ada, { environment: "production", useCaseId }, bytes);
}

export function count(value: number): string {
  return value.toLocaleString("en-US");
}
