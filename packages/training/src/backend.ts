import { type CallContext, type Digest, type JobRun, type Place, PortolanError } from "@portolan/kernel";
import type { TrainingBackendRecord, TrainingRunRequest } from "./contract.ts";
import type { TrainingErrorCode } from "./errors.ts";
import type { IsolationLevel } from "./isolation-level.ts";

/** What a trainer may use; wall-clock and CPU time of one attempt. */
export interface TrainerLimits {
  readonly threads: number;
  readonly memoryLimitBytes: number;
  readonly cpuSeconds: number;
  readonly timeoutMs: number;
  readonly diskLimitBytes: number;
}

/** What a run elsewhere is seen to use now: rather too much than too little, for what works must never look idle. */
export interface RemoteUse {
  /** Processors that are at work where it is. */
  readonly busyCores: number;
  /** Percent, of the busiest card there; absent: nobody tells. */
  readonly busiestCard?: number;
}

/** One attempt of a run, its inputs laid out on this machine. */
export interface BackendTask {
  /** In the name of whoever started the run. */
  readonly call: CallContext;
  readonly runId: string;
  readonly request: TrainingRunRequest;
  /** The run's own folder, kept over attempts. What the trainer writes is appended to `trainer.log` in it while it runs. */
  readonly folder: string;
  /** The program; read-only. */
  readonly code: string;
  /** A Parquet file; read-only. */
  readonly trainingSet: string;
  /** The model that it starts from; absent: from nothing. */
  readonly baseModel?: string;
  /** JSON: `{ params, features, label, seed }`. */
  readonly paramsFile: string;
  readonly limits: TrainerLimits;
  /** Aborted when this process stops and when the run is cancelled. */
  readonly signal: AbortSignal;
  readonly progress: JobRun["progress"];
  /** Of a backend elsewhere, every few seconds: resolves to why the trainer is to end. @param read what it uses, asked where anybody wants to know; undefined: nobody could see */
  readonly look?: (read: () => Promise<RemoteUse | undefined>) => Promise<string | undefined>;
}

/** What a trainer left; the bytes of the model are in the object store. */
export interface BackendOutcome {
  readonly model: { readonly digest: Digest; readonly sizeBytes: number };
  readonly metrics: Readonly<Record<string, number>>;
  /** Path of the whole log on this machine. */
  readonly log: string;
  /** The lock file that the environment was built from. */
  readonly lock: Digest;
  /** Version of the Python, e.g. `3.11.7`. */
  readonly python: string;
  readonly networkBlocked: boolean;
  readonly isolation: IsolationLevel;
  /** Absent for this machine. */
  readonly backend?: TrainingBackendRecord;
}

/** Where trainers run. */
export interface TrainingBackend {
  /** Where it computes, as its operator declares it; absent: where this process is. The charter is asked before anything is sent. */
  readonly place?: Place;
  /** What it keeps a trainer from, at most. */
  isolationLevel(): Promise<IsolationLevel>;
  /**
   * Runs a trainer to its end. Of one run at most one trainer works at a time: a call for a run whose trainer still works elsewhere, as after
   * this process was killed, takes that one up.
   *
   * @throws PortolanError `training.trainer_failed` when trying again would not help, `training.interrupted` and others when it would
   */
  train(task: BackendTask): Promise<BackendOutcome>;
}

/** A backend whose trainers outlive this process, so that ending them is an effect of its own. */
export interface RemoteTrainingBackend extends TrainingBackend {
  readonly place: Place;
  /** Whether a trainer of the run is at work there, or left something to bring back: what was meant to be sent and was not has not begun. */
  hasBegun(runId: string): Promise<boolean>;
  /** Ends the trainer of a run, if there is one. Repeatable. */
  stop(runId: string): Promise<void>;
}

/** The kind of the intent that ends a remote trainer. */
export const stopTrainerIntent = "training.stop_trainer";

/**
 * The backend that a request names; without a word, this machine. Pure.
 *
 * @throws PortolanError `training.backend_missing`
 */
export function chosenBackend(
  { backend = "process" }: Pick<TrainingRunRequest, "backend">,
  { here, ray }: { readonly here: TrainingBackend; readonly ray?: RemoteTrainingBackend },
): TrainingBackend {
  if (backend === "process") return here;
  if (ray) return ray;
  throw new PortolanError<TrainingErrorCode>("training.backend_missing", {
    detail: "no Ray cluster is configured here",
    mend: "Leave `backend` out to train beside the server, or have the operator set RAY_ADDRESS (docs/training.md).",
  });
}
