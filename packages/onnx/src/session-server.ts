import { messageOf } from "@portolan/kernel";
import type { FromRunner, ToRunner } from "./runner-messages.ts";
import { createSession, type Session } from "./session.ts";
import { warmUp } from "./warm-up.ts";

/**
 * One model behind messages: what a runner process and a worker thread have in common. Messages are handled one at a time
 * and in order: the model blocks the thread anyway, and the other side measures deadlines from a run's own turn.
 */
export class SessionServer {
  readonly #send: (message: FromRunner) => void;
  readonly #begins: (id: number) => void;
  #session: Session | undefined;
  #turn: Promise<void> = Promise.resolve();

  /** @param begins told of each run right before the model has it */
  constructor(send: (message: FromRunner) => void, begins: (id: number) => void = () => undefined) {
    this.#send = send;
    this.#begins = begins;
  }

  take(message: ToRunner): void {
    this.#turn = this.#turn.then(() => this.#handle(message));
  }

  /** Resolves when all that was taken is answered and the session's memory is given back. */
  async close(): Promise<void> {
    await this.#turn;
    await this.#session?.release();
    this.#session = undefined;
  }

  async #handle(message: ToRunner): Promise<void> {
    if (message.kind === "load") await this.#load(message);
    else if (message.kind === "run") await this.#run(message);
  }

  async #load({ bytes, signature }: Extract<ToRunner, { kind: "load" }>): Promise<void> {
    try {
      this.#session = await createSession(bytes, signature);
      const measured = await warmUp(this.#session, signature, () => process.hrtime.bigint());
      this.#send({ kind: "loaded", ...measured });
    } catch (error) {
      this.#send({ kind: "load_failed", detail: messageOf(error) });
    }
  }

  async #run({ id, inputs }: Extract<ToRunner, { kind: "run" }>): Promise<void> {
    try {
      if (!this.#session) throw new Error("no model is loaded");
      this.#begins(id);
      const start = process.hrtime.bigint();
      const outputs = await this.#session.run(inputs);
      const runMicros = Math.round(Number(process.hrtime.bigint() - start) / 1000);
      this.#send({ kind: "done", id, outputs, runMicros });
    } catch (error) {
      this.#send({ kind: "failed", id, detail: messageOf(error) });
    }
  }
}
