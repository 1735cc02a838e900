import { messageOf } from "@portolan/kernel";
import type { FromRunner, ToRunner } from "./runner-messages.ts";
import { createSession, type Session, warmUp } from "./session.ts";

/**
 * The runner process: one model, one thread. It gets the model's bytes over the pipe, already verified, and is expected to be
 * killed at any moment. What it reaches beside the pipe is the business of its walls (packages/sandbox).
 */
let session: Session | undefined;

function send(message: FromRunner): void {
  process.send?.(message);
}

async function handle(message: ToRunner): Promise<void> {
  if (message.kind === "load") {
    try {
      session = await createSession(message.bytes, message.signature);
      send({
        kind: "loaded",
        warmUpMicros: await warmUp(session, message.signature, () => process.hrtime.bigint()),
      });
    } catch (error) {
      send({ kind: "load_failed", detail: messageOf(error) });
    }
    return;
  }
  const { id, inputs } = message;
  try {
    if (!session) throw new Error("no model is loaded");
    const start = process.hrtime.bigint();
    const outputs = await session.run(inputs);
    send({
      kind: "done",
      id,
      outputs,
      runMicros: Math.round(Number(process.hrtime.bigint() - start) / 1000),
    });
  } catch (error) {
    send({ kind: "failed", id, detail: messageOf(error) });
  }
}

/** One at a time and in order: the model blocks the thread anyway, and the parent measures deadlines from its turn. */
let turn: Promise<void> = Promise.resolve();
process.on("message", (message: ToRunner) => {
  turn = turn.then(() => handle(message));
});
// The gateway is gone: nobody is left to answer to.
process.on("disconnect", () => process.exit(0));
