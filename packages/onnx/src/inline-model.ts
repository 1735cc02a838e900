import { messageOf, PortolanError } from "@portolan/kernel";
import type { LoadedModel, RunOutcome, RuntimeState, Tensor, VerifiedModel } from "@portolan/serving/policy";
import type { OnnxErrorCode } from "./errors.ts";
import { createSession, type Session, warmUp } from "./session.ts";

/** A small, trusted model in the gateway's own thread. It cannot be interrupted: a late answer counts as a timeout. */
export class InlineModel implements LoadedModel {
  readonly #session: Session;
  readonly #onLate: () => void;
  #state: RuntimeState;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(session: Session, warmUpMicros: number, onLate: () => void) {
    this.#session = session;
    this.#onLate = onLate;
    this.#state = { kind: "ready", tier: "inline", warmUpMicros };
  }

  /** @param onLate called when a run took longer than its deadline: such a model belongs in a runner */
  static async start(model: VerifiedModel, onLate: () => void): Promise<InlineModel> {
    try {
      const session = await createSession(await model.loadBytes(), model.signature);
      const micros = await warmUp(session, model.signature, () => process.hrtime.bigint());
      return new InlineModel(session, micros, onLate);
    } catch (cause) {
      if (cause instanceof PortolanError) throw cause;
      throw new PortolanError<OnnxErrorCode>("onnx.load_failed", {
        detail: `${model.label}: ${messageOf(cause)}`,
        mend: "Run the model once with onnxruntime where it was made, and export it again.",
        cause,
      });
    }
  }

  state(): RuntimeState {
    return this.#state;
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    if (this.#state.kind !== "ready") return { kind: "unavailable", detail: "The model is not loaded." };
    const start = process.hrtime.bigint();
    this.#inFlight++;
    try {
      const outputs = await this.#session.run(inputs);
      const runMicros = Math.round(Number(process.hrtime.bigint() - start) / 1000);
      if (runMicros <= timeoutMs * 1000) return { kind: "ok", outputs, runMicros };
      this.#onLate();
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
