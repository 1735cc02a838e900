import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { isPortolanError, messageOf } from "@portolan/kernel";
import { judgeTask, type VerifyTask } from "./judge-task.ts";
import type { ThreadAnswer, ThreadMessage } from "./verify-messages.ts";

/** The program of the verifying thread: it hashes and judges, so that the thread that serves need not. */
async function main(port: MessagePort, task: VerifyTask): Promise<void> {
  const say = (message: ThreadMessage): void => port.postMessage(message);
  const ask = <T extends ThreadAnswer>(message: ThreadMessage): Promise<T> => {
    const answered = new Promise<T>((resolve) => port.once("message", resolve));
    say(message);
    return answered;
  };
  let told = 0;
  try {
    const verdict = await judgeTask(
      task,
      {
        rows: (from) => ask({ kind: "rows", from }),
        checkpoints: (after) => ask({ kind: "checkpoints", after }),
      },
      (fraction) => {
        if (fraction - told < 0.01) return;
        told = fraction;
        say({ kind: "progress", fraction });
      },
    );
    say({ kind: "done", verdict });
  } catch (error) {
    const known = isPortolanError(error) ? error : undefined;
    say({
      kind: "failed",
      code: known?.code ?? "kernel.internal",
      detail: known?.detail ?? messageOf(error),
    });
  }
}

if (parentPort === null) throw new Error("this file is the program of a worker thread");
await main(parentPort, workerData as VerifyTask);
