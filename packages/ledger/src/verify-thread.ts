import { Worker } from "node:worker_threads";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { LogPages, TaskVerdict, VerifyTask } from "./judge-task.ts";
import type { ThreadAnswer, ThreadMessage } from "./verify-messages.ts";

/** Bounds what one verification may take; a healthy log of any size needs a tenth. */
const memoryMib = 512;

export interface ThreadWatch {
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Verifies in a thread of its own: hashing and signatures of a large log take seconds to minutes, and the sequencer,
 * snapshots and health checks run on the thread that calls this.
 *
 * @throws what `pages` throws, the signal's reason, or PortolanError when the thread fails
 */
export async function verifyInThread(
  task: VerifyTask,
  pages: LogPages,
  { signal, onProgress }: ThreadWatch,
): Promise<TaskVerdict> {
  signal?.throwIfAborted();
  const worker = new Worker(new URL("./verify-worker.ts", import.meta.url), {
    workerData: task,
    // Nothing of the process's own: neither secrets in the environment nor loaders of its command line.
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: memoryMib },
  });
  const { promise, resolve, reject } = Promise.withResolvers<TaskVerdict>();
  const answer = (page: Promise<ThreadAnswer>): void => {
    page.then((value) => worker.postMessage(value)).catch(reject);
  };
  worker.on("message", (message: ThreadMessage) => {
    switch (message.kind) {
      case "rows":
        return answer(pages.rows(message.from));
      case "checkpoints":
        return answer(pages.checkpoints(message.after));
      case "progress":
        return onProgress?.(message.fraction);
      case "done":
        return resolve(message.verdict);
      case "failed":
        return reject(new PortolanError(message.code, { detail: message.detail }));
    }
  });
  worker.once("error", (error) => reject(ended(messageOf(error))));
  worker.once("exit", () => reject(ended("it ended without a verdict")));
  const onAbort = (): void => reject(signal?.reason ?? ended("it was cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}

function ended(reason: string): PortolanError {
  return new PortolanError("kernel.internal", { detail: `the verifying thread failed: ${reason}` });
}
