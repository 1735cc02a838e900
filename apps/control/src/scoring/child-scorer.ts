import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import { spawnWalledNode, watchMemory } from "@portolan/sandbox";
import type { ModelRuntime } from "@portolan/serving/policy";
import type { RowsAnswered, RowsAsked, ScoreJob, ScoreReply } from "./score-messages.ts";
import { loadUpstream, runElsewhere, upstreamOf } from "./upstream-rows.ts";

const childFile = fileURLToPath(new URL("./score-child.ts", import.meta.url));

/** A model that has not answered by then hangs. A million rows of a small model take seconds. */
const limitMs = 10 * 60_000;

/** A million rows of a hundred features are 0.4 GB, and a model no larger than what a runner may take. */
const memoryBytes = 4 * 2 ** 30;

/**
 * Scores in a child process that sees the model and the rows and nothing else; it is killed when it hangs, takes too much
 * memory, or the job is cancelled.
 */
export function createChildScorer(objects: ObjectStore, upstreams: ModelRuntime): Scorer {
  return {
    async score(request: ScoreRequest, signal: AbortSignal) {
      const upstream = await upstreamOf(objects, request.model);
      if (upstream?.protocol === "openai") throw notScorable("a text model has no rows to be scored on");
      const job: ScoreJob = {
        ...(upstream ? {} : { modelPath: await objects.localPath(request.model) }),
        datasetPath: await objects.localPath(request.dataset),
        labelColumn: request.labelColumn,
        featureColumns: request.featureColumns,
        ...(request.baselineColumn === undefined ? {} : { baselineColumn: request.baselineColumn }),
      };
      const model = upstream && (await loadUpstream(upstreams, objects, request.model, upstream));
      const run: RunRows = async (asked) =>
        model
          ? runElsewhere(model, upstream, asked)
          : { kind: "failed", reason: "the model is not run elsewhere" };
      try {
        const reply = await ask(job, run, signal);
        if (reply.kind === "refused") throw notScorable(reply.reason);
        const { kind: _, ...scored } = reply;
        return scored;
      } finally {
        await model?.close();
      }
    },
  };
}

type RunRows = (asked: RowsAsked) => Promise<RowsAnswered>;

async function ask(job: ScoreJob, run: RunRows, signal: AbortSignal): Promise<ScoreReply> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const child = await spawnWalledNode({
    entry: childFile,
    readable: [...(job.modelPath === undefined ? [] : [job.modelPath]), job.datasetPath],
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
    const reply = replyOf(child, run, (how) => {
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

function replyOf(child: ChildProcess, run: RunRows, explain: (how: string) => string): Promise<ScoreReply> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: ScoreReply | RowsAsked) => {
      if (message.kind !== "run") return resolve(message);
      run(message).then((answer) => void (child.connected && child.send(answer)), reject);
    });
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
