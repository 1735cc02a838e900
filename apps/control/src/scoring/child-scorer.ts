import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import type { ModelRuntime } from "@portolan/serving/policy";
import type { RowsAnswered, RowsAsked, ScoreJob, ScoreReply } from "./score-messages.ts";
import { loadUpstream, runElsewhere, upstreamOf } from "./upstream-rows.ts";
import { askWalledChild } from "./walled-child.ts";

const entry = fileURLToPath(new URL("./score-child.ts", import.meta.url));

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
        ...(request.sliceColumns === undefined ? {} : { sliceColumns: request.sliceColumns }),
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

function ask(job: ScoreJob, run: RunRows, signal: AbortSignal): Promise<ScoreReply> {
  const walled = {
    entry,
    readable: [...(job.modelPath === undefined ? [] : [job.modelPath]), job.datasetPath],
    memoryBytes,
    limitMs,
    answer: (message: unknown) => {
      const asked = message as ScoreReply | RowsAsked;
      return asked.kind === "run" ? run(asked) : undefined;
    },
  };
  return askWalledChild<ScoreReply>(walled, job, signal, notScorable);
}

function notScorable(detail: string): PortolanError {
  return new PortolanError("evaluation.not_scorable", {
    detail,
    mend: "Check the columns and the model's output; see docs/errors.",
  });
}
