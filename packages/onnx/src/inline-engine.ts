import { messageOf, PortolanError } from "@portolan/kernel";
import type { RunOutcome, RuntimeState, Tensor, VerifiedModel } from "@portolan/serving/policy";
import type { Engine, OnLate } from "./engine.ts";
import { loadFailed } from "./errors.ts";
import { LateRuns, patienceMs } from "./late-runs.ts";
import { createSession, type Session } from "./session.ts";
import { type WarmUp, warmUp } from "./warm-up.ts";

/** A small, trusted model in the gateway's own thread. It cannot be interrupted: a late answer counts as a timeout. */
export class InlineEngine implements Engine {
  readonly #session: Session;
  readonly #onLate: OnLate;
  readonly #lateRuns = new LateRuns();
  #state: RuntimeState;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(session: Session, { micros, profile }: WarmUp, onLate: OnLate) {
    this.#session = session;
    this.#onLate = onLate;
    this.#state = { kind: "ready", tier: "inline", warmUpMicros: micros, profile };
  }

  /** @throws PortolanError `onnx.load_failed` */
  static async start(model: VerifiedModel, onLate: OnLate): Promise<InlineEngine> {
    try {
      const session = await createSession(await model.loadBytes(), model.signature);
      const measured = await warmUp(session, model.signature, () => process.hrtime.bigint());
      return new InlineEngine(session, measured, onLate);
    } catch (cause) {
      throw cause instanceof PortolanError ? cause : loadFailed(model, messageOf(cause));
    }
  }

  state(): RuntimeState {
    return this.#state;
  }

  /** One at a time: more would only take turns on this thread. */
  lanes(): number {
    return 1;
  }

  recovered(): Promise<void> {
    return Promise.resolve();
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    if (this.#state.kind !== "ready") return { kind: "unavailable", detail: "The model is not loaded." };
    const startMs = performance.now();
    this.#inFlight++;
    try {
      // The runtime begins at the end of this turn of the loop, right after this: what others take of the turn is not the model's time.
      let begunMs = startMs;
      setImmediate(() => (begunMs = performance.now()));
      const outputs = await this.#session.run(inputs);
      const endMs = performance.now();
      const ranMs = endMs - begunMs;
      if (ranMs <= timeoutMs) this.#lateRuns.inTime();
      if (endMs - startMs <= timeoutMs) return { kind: "ok", outputs, runMicros: Math.round(ranMs * 1000) };
      if (ranMs <= timeoutMs) return { kind: "timeout", ranMs };
      if (this.#lateRuns.late() || ranMs > timeoutMs + patienceMs(timeoutMs)) void this.#onLate();
      return { kind: "timeout" };
    } catch (error) {
      return { kind: "failed", detail: messageOf(error) };
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  /** Takes nothing new from now on; the session goes once what is in flight is answered. */
  close(): Promise<void> {
    this.#state = { kind: "closed" };
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    // A session that is released under a run fails it: "Session already disposed".
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#session.release();
  }
}
