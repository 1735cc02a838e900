import type { ModelSignature } from "@portolan/onnx-format";
import type { BatchTerms, ProfiledRows } from "./batching/batch-plan.ts";
import type { RunPriority } from "./batching/job-queue.ts";
import type { TextOperation, TextRequest } from "./protocol/openai/text-request.ts";
import type { Tensor } from "./protocol/tensor.ts";
import type { RetryBudget } from "./resilience/retry-budget.ts";

/**
 * Where a model runs: `inline` is the gateway's own thread, `worker` a thread of its own, `runner` a child process that
 * may be killed, `upstream` another server over the network.
 */
export type RuntimeTier = "inline" | "worker" | "runner" | "upstream";

/** A model whose bytes were verified; a runtime never sees any other. */
export interface VerifiedModel {
  /** `name/version`, for logs. */
  readonly label: string;
  readonly digest: string;
  readonly signature: ModelSignature;
  /** `upstream`: the bytes describe where another server runs it. */
  readonly form: "onnx" | "upstream";
  /** `trained` by this platform's pipeline, or `imported`, which has to prove itself in a runner. */
  readonly origin: "trained" | "imported";
  /** Reads and verifies the bytes anew at every load, so that a byte changed on disk is found at the next start. */
  readonly loadBytes: () => Promise<Uint8Array>;
  /** The same for the prompt beside a description, where the version has one. */
  readonly loadPrompt?: () => Promise<Uint8Array>;
}

/** How one inference ended. Faults of the model are values: the gateway answers them and lives on. */
export type RunOutcome =
  | {
      readonly kind: "ok";
      readonly outputs: readonly Tensor[];
      readonly runMicros: number;
      /** How long it waited for its run, the way back from a busy thread not included; absent where nothing queues. */
      readonly waitMicros?: number;
      /** Rows of the run that this answer came out of; absent when it had one for itself. */
      readonly batchRows?: number;
      /** True when it was kept from an earlier run with the very same inputs. */
      readonly isCached?: boolean;
    }
  /**
   * The deadline passed; a runner was killed for it. `ranMs`: how long this caller had waited for the model itself when its time was up, be it
   * in its own run or behind runs that ended without an answer; 0 when others' answers took all of it; absent where the model itself took too long.
   */
  | { readonly kind: "timeout"; readonly ranMs?: number }
  /** The model refused this input, or computed nothing usable. */
  | { readonly kind: "failed"; readonly detail: string }
  /** The runner or thread died under this request. `byModel`: the same request would do it again, for all we know. */
  | { readonly kind: "crashed"; readonly detail: string; readonly byModel: boolean }
  /** More waits for this model than may wait. */
  | { readonly kind: "overloaded"; readonly detail: string }
  /**
   * No runner is up: starting again, or quarantined after killing its runner twice. `isBusy`: a server elsewhere said that it takes nothing now, and did
   * not begin with what was asked.
   */
  | { readonly kind: "unavailable"; readonly detail: string; readonly isBusy?: boolean };

export type RuntimeState =
  | {
      readonly kind: "ready";
      readonly tier: RuntimeTier;
      /** Median of one row, microseconds. */
      readonly warmUpMicros: number;
      readonly profile: readonly ProfiledRows[];
    }
  | { readonly kind: "starting" }
  /** The server elsewhere does not answer, or serves another model than the registered one; it is asked again by itself. */
  | { readonly kind: "unavailable"; readonly detail: string }
  | { readonly kind: "quarantined"; readonly detail: string }
  | { readonly kind: "closed" };

/** W3C trace context, as a server elsewhere is told it beside the request. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate?: string;
}

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
  /** How the request's deployment has it share runs; absent: at once with whatever waits. */
  readonly batching?: BatchTerms | undefined;
  /** What its endpoint may try a second time; absent: the model's own budget. */
  readonly retries?: RetryBudget;
  /** For a model that another server runs; nobody else looks at it. */
  readonly trace?: TraceHeaders;
  /** Aborted when the caller has left, and nobody needs the answer; for a model that another server runs, as above. */
  readonly gone?: AbortSignal | undefined;
}

/** How a question to a text model began to be answered. Faults are values, as for `RunOutcome`. */
export type TextOutcome =
  /** What follows may still break off. */
  | { readonly kind: "answered"; readonly contentType: string; readonly body: AsyncIterable<Uint8Array> }
  /** The upstream refused the request: it is the caller's to mend. */
  | { readonly kind: "refused"; readonly status: number; readonly body: Uint8Array }
  | Extract<RunOutcome, { readonly kind: "timeout" | "overloaded" | "unavailable" }>;

/** A text model, which another server runs. */
export interface TextModel {
  /** Its name there. */
  readonly name: string;
  readonly operations: readonly TextOperation[];
  /** Most tokens of prompt and answer together, where the upstream says so. */
  readonly contextTokens?: number;
  /** True where the version's own prompt states the temperature of its answers. */
  readonly ownsTemperature: boolean;
  /** Most tokens of an answer that its prompt lets a request state; absent: no bound. */
  readonly mostAnswerTokens?: number | undefined;
  /**
   * The request as this version is asked it: with its prompt before what the caller says. Pure.
   * @throws PortolanError `serving.bad_request` for what the version does not take, naming no word of the prompt
   */
  readonly prepare: (request: TextRequest) => TextRequest;
  /**
   * Never rejects; `signal` ends it, and the body of its answer.
   * @param body as `writeTextRequest` makes it of a prepared request
   */
  readonly ask: (
    operation: TextOperation,
    body: Uint8Array,
    signal: AbortSignal,
    how?: Pick<RunOptions, "trace" | "retries">,
  ) => Promise<TextOutcome>;
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
  /** Present where the version speaks text: then it takes no tensors. */
  readonly text?: TextModel | undefined;
  /** Brings the lanes to that number; absent where there is one lane for ever. */
  readonly scale?: ((lanes: number) => Promise<void>) | undefined;
  /** Ends the runner or releases the session once requests in flight are answered. */
  readonly close: () => Promise<void>;
}

/** Implemented by `onnx` and `upstream`. */
export interface ModelRuntime {
  /**
   * Verifies, loads and warms up.
   * @throws PortolanError when the bytes are refused, the runtime cannot load them, or the warm-up fails
   */
  readonly load: (model: VerifiedModel) => Promise<LoadedModel>;
}
