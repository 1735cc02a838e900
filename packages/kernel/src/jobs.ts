import type { CallContext } from "./actor.ts";
import type { JsonForm, JsonObject, JsonValue } from "./json.ts";
import type { EpochMicros } from "./time.ts";
import type { Transaction } from "./unit-of-work.ts";

/** What a running job can use. After `kill -9` the job runs again, and finished steps are not run twice. */
export interface JobRun {
  readonly id: string;
  readonly payload: JsonObject;
  readonly call: CallContext;
  /** Aborted at shutdown and on cancel. */
  readonly signal: AbortSignal;
  /** False when the job is tried again should it fail now: only a final failure is worth telling as one. */
  readonly finalAttempt: boolean;
  /**
   * A step whose effect is SQL: the step's row commits with the effect, so it happens exactly once.
   * On resume the recorded result is returned and `work` is not called.
   */
  step<T>(name: string, work: (tx: Transaction) => Promise<T & JsonForm<T>>): Promise<T>;
  /**
   * A step whose effect is elsewhere. `key` is the same at every attempt: pass it to the effect, which must
   * be idempotent by it. The result is recorded afterwards.
   */
  effect<T>(name: string, work: (key: string) => Promise<T & JsonForm<T>>): Promise<T>;
  /** Progress between 0 and 1 with a short note, shown by `portolan logs` and the API. */
  progress(fraction: number, note: string): Promise<void>;
  /** Appends a line to the job's log, e.g. what its child process printed. */
  log(line: string): Promise<void>;
}

/**
 * What a handler throws whose job is to go on later. It is no failure: the start ends, other jobs of the queue run meanwhile, and at
 * `notBefore` the job runs again, its finished steps kept.
 */
export class JobDeferred extends Error {
  override readonly name = "JobDeferred";
  readonly notBefore: EpochMicros;

  /** @param note what it waits for, shown as the job's progress */
  constructor(notBefore: EpochMicros, note: string) {
    super(note);
    this.notBefore = notBefore;
  }
}

/** How a job ended that did not come to its own end. */
export interface JobEnd {
  readonly payload: JsonObject;
  readonly state: "cancelled" | "failed";
  /** The last error, or that it was cancelled. */
  readonly reason: string;
}

export interface JobHandler {
  readonly queue: string;
  /** How often a failing job is tried again (with growing delay). */
  readonly retries?: number;
  run(job: JobRun): Promise<JsonValue>;
  /**
   * Gives what the job was for its final state, once a job was cancelled or has failed for good: also one that never started, or
   * that took its process down too often. The transaction is the requester's, and is made exactly once.
   */
  abandoned?(tx: Transaction, end: JobEnd): Promise<void>;
}
