import type { ModelSignature } from "@portolan/onnx-format";
import type { ProfiledRows } from "./batching/batch-plan.ts";
import type { RunPriority } from "./batching/job-queue.ts";
import type { Tensor } from "./protocol/tensor.ts";

/**
 * Where a model runs: `inline` is the gateway's own thread, `worker` a thread of its own, `runner` a child process that
 * may be killed.
 */
export type RuntimeTier = "inline" | "worker" | "runner";

/** A model whose bytes were verified; a runtime never sees any other. */
export interface VerifiedModel {
  /** `name/version`, for logs. */
  readonly label: string;
  readonly digest: string;
  readonly signature: ModelSignature;
  /** `trained` by this platform's pipeline, or `imported`, which has to prove itself in a runner. */
  readonly origin: "trained" | "imported";
  /** Reads and verifies the bytes anew at every load, so that a byte changed on disk is found at the next start. */
  readonly loadBytes: () => Promise<Uint8Array>;
}

/** How one inference ended. Faults of the model are values: the gateway answers them and lives on. */
export type RunOutcome =
  | {
      readonly kind: "ok";
      readonly outputs: readonly Tensor[];
      readonly runMicros: number;
      /** Rows of the run that this answer came out of; absent when it had one for itself. */
      readonly batchRows?: number;
      /** True when it was kept from an earlier run with the very same inputs. */
      readonly isCached?: boolean;
    }
  /** The deadline passed; a runner was killed for it. */
  | { readonly kind: "timeout" }
  /** The model refused this input, or computed nothing usable. */
  | { readonly kind: "failed"; readonly detail: string }
  /** The runner or thread died under this request. `byModel`: the same request would do it again, for all we know. */
  | { readonly kind: "crashed"; readonly detail: string; readonly byModel: boolean }
  /** More waits for this model than may wait. */
  | { readonly kind: "overloaded"; readonly detail: string }
  /** No runner is up: starting again, or quarantined after killing its runner twice. */
  | { readonly kind: "unavailable"; readonly detail: string };

export type RuntimeState =
  | {
      readonly kind: "ready";
      readonly tier: RuntimeTier;
      /** Median of one row, microseconds. */
      readonly warmUpMicros: number;
      readonly profile: readonly ProfiledRows[];
    }
  | { readonly kind: "starting" }
  | { readonly kind: "quarantined"; readonly detail: string }
  | { readonly kind: "closed" };

export interface RunOptions {
  /** Milliseconds from now within which an answer is worth something to the caller. */
  readonly timeoutMs: number;
  /**
   * Milliseconds that the run itself may take before that is held against the model; default `timeoutMs`. A caller that gives
   * up earlier than the charter asks costs the model nothing: it must not get others' runner killed.
   */
  readonly longestMs?: number;
  /** Default `normal`. */
  readonly priority?: RunPriority;
}

/** What a model version does now. */
export interface ModelUsage {
  /** Runs that it can do at the same time. */
  readonly lanes: number;
  /** Milliseconds that its lanes have computed since it was loaded, all lanes added up. */
  readonly busyMs: number;
  /** Rows that wait for a run. */
  readonly queuedRows: number;
  /** Requests that it has taken and not yet answered. */
  readonly inFlight: number;
}

export interface LoadedModel {
  readonly state: () => RuntimeState;
  /** Never rejects. */
  readonly run: (inputs: readonly Tensor[], options: RunOptions) => Promise<RunOutcome>;
  readonly usage: () => ModelUsage;
  /** Brings the lanes to that number; absent where there is one lane for ever. */
  readonly scale?: ((lanes: number) => Promise<void>) | undefined;
  /** Ends the runner or releases the session once requests in flight are answered. */
  readonly close: () => Promise<void>;
}

/** Implemented by `onnx`. */
export interface ModelRuntime {
  /**
   * Verifies, loads and warms up.
   * @throws PortolanError when the bytes are refused, the runtime cannot load them, or the warm-up fails
   */
  readonly load: (model: VerifiedModel) => Promise<LoadedModel>;
}
