import { isPortolanError, messageOf } from "@portolan/kernel";
import type { RetryBudget, RunOutcome, Tensor, TraceHeaders } from "@portolan/serving/policy";
import { mostAnswerBytes } from "../connection.ts";
import type { ModelFacts } from "./model-facts.ts";

/** One inference at a server elsewhere. */
export interface AskedInference {
  readonly inputs: readonly Tensor[];
  /** What the server said when the model was registered; its answer has to fit. */
  readonly registered: ModelFacts;
  /** Milliseconds that are left for the answer. */
  readonly timeoutMs: number;
  /** Aborted when they are over, or when nobody waits any more. */
  readonly signal: AbortSignal;
  readonly trace?: TraceHeaders | undefined;
  readonly retries?: RetryBudget | undefined;
}

/** One model at a server of the Open Inference Protocol, over REST or gRPC. */
export interface InferenceClient {
  /** Rejects when nothing was answered. */
  infer(asked: AskedInference): Promise<RunOutcome>;
  /** Rejects when the model is not ready, or nothing is answered. */
  requireReady(timeoutMs: number): Promise<void>;
  /**
   * What the server says of itself and of the model.
   * @throws PortolanError `upstream.model_unfit`; rejects otherwise when it does not answer
   */
  facts(timeoutMs: number): Promise<ModelFacts>;
  /** @throws PortolanError `upstream.credential_unusable` */
  renewCredential(): Promise<void>;
  /** Requests under way end first. */
  close(): Promise<void>;
  /** Requests under way are given up. */
  destroy(): Promise<void>;
}

/** What was asked made the answer long; another one would be as long. */
export const answerTooLarge: RunOutcome = {
  kind: "failed",
  detail: `the upstream's answer is larger than ${mostAnswerBytes / 1024 / 1024} MiB`,
};

export const upstreamBusy: RunOutcome = {
  kind: "overloaded",
  detail: "The upstream takes no more requests now.",
};

/** @param read the outputs, or an error that says why they are none; its run is over when this is called */
export function answerOf(startMs: number, read: () => readonly Tensor[]): RunOutcome {
  const runMicros = Math.round((performance.now() - startMs) * 1000);
  try {
    return { kind: "ok", outputs: read(), runMicros };
  } catch (error) {
    const what = isPortolanError(error) ? error.detail : messageOf(error);
    return { kind: "unavailable", detail: `The upstream's answer does not fit its signature: ${what}` };
  }
}
