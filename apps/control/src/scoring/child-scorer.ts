import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import { spawnWalledNode, watchMemory } from "@portolan/sandbox";
import type { ScoreJob, ScoreReply } from "./score-messages.ts";

const childFile = fileURLToPath(new URL("./score-child.ts", import.meta.url));

/** A model that has not answered by then hangs. A million rows of a small model take seconds. */
const limitMs = 10 * 60_000;

/** A million rows of a hundred features are 0.4 GB, and a model no larger than what a runner may take. */
const memoryBytes = 4 * 2 ** 30;

/**
 * Scores in a child process that sees the model and the rows and nothing else; it is killed when it hangs, takes too much
 * memory, or the job is cancelled.
 */
export function createChildScorer(objects: ObjectStore): Scorer {
  return {
    async score(request: ScoreRequest, signal: AbortSignal) {
      const job: ScoreJob = {
        modelPath: await objects.localPath(request.model),
        datasetPath: await objects.localPath(request.dataset),
        labelColumn: request.labelColumn,
        featureColumns: request.featureColumns,
        ...(request.baselineColumn === undefined ? {} : { baselineColumn: request.baselineColumn }),
      };
      const reply = await ask(job, signal);
      if (reply.kind === "refused") throw notScorable(reply.reason);
      const { kind: _, ...scored } = reply;
      return scored;
    },
  };
}

async function ask(job: ScoreJob, signal: AbortSignal): Promise<ScoreReply> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const child = await spawnWalledNode({
    entry: childFile,
    readable: [job.modelPath, job.datasetPath],
    writable: [],
    // Objects are the server's own files.
    keepsAccount: true,
    dataBytes: memoryBytes + 2 ** 30,
    heapMegabytes: 2048,
    env: { TZ: "UTC" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const kill = (): void => void child.kill("SIGKILL");
  let isTooLarge = false;
  const watch = watchMemory(child, memoryBytes, () => {
    isTooLarge = true;
    kill();
  });
  over.addEventListener("abort", kill, { once: true });
  if (over.aborted) kill();
  try {
    const reply = replyOf(child, (how) => {
      if (over.aborted) return "scoring was stopped";
      return isTooLarge
        ? "the model and the rows take too much memory"
        : `the model ended its process (${how})`;
    });
    child.send(job);
    return await reply;
  } finally {
    clearInterval(watch);
    over.removeEventListener("abort", kill);
    kill();
  }
}

function replyOf(child: ChildProcess, explain: (how: string) => string): Promise<ScoreReply> {
  return new Promise((resolve, reject) => {
    child.once("message", (reply: ScoreReply) => resolve(reply));
    child.once("error", (error) => reject(notScorable(explain(error.message))));
    child.once("exit", (code, signal) => reject(notScorable(explain(signal ?? `exit code ${code}`))));
  });
}

function notScorable(detail: string): PortolanError {
  return new PortolanError("evaluation.not_scorable", {
    detail,
    mend: "Check the columns and the model's output; see docs/errors.",
  });
}
