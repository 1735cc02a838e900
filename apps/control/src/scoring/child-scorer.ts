import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import type { ScoreJob, ScoreReply } from "./score-messages.ts";

const childFile = fileURLToPath(new URL("./score-child.ts", import.meta.url));

/** A model that has not answered by then hangs. A million rows of a small model take seconds. */
const limitMs = 10 * 60_000;

/** Scores in a child process without our environment; it is killed when it hangs or the job is cancelled. */
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
  const child = fork(childFile, {
    serialization: "advanced",
    env: { PATH: "/usr/bin:/bin", TZ: "UTC" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
    killSignal: "SIGKILL",
  });
  try {
    child.send(job);
    return await replyOf(child);
  } finally {
    child.kill("SIGKILL");
  }
}

function replyOf(child: ChildProcess): Promise<ScoreReply> {
  return new Promise((resolve, reject) => {
    child.once("message", (reply: ScoreReply) => resolve(reply));
    child.once("error", (error) =>
      reject(notScorable(error.name === "AbortError" ? "scoring was stopped" : error.message)),
    );
    child.once("exit", (code, signal) =>
      reject(notScorable(`the model ended its process (${signal ?? `exit code ${code}`})`)),
    );
  });
}

function notScorable(detail: string): PortolanError {
  return new PortolanError("evaluation.not_scorable", {
    detail,
    mend: "Check the columns and the model's output; see docs/errors.",
  });
}
