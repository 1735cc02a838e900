import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import type { ScoreJob, ScoreReply } from "./score-messages.ts";
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
      const walled = { entry, readable: [job.modelPath, job.datasetPath], memoryBytes, limitMs };
      const reply = await askWalledChild<ScoreReply>(walled, job, signal, notScorable);
      if (reply.kind === "refused") throw notScorable(reply.reason);
      const { kind: _, ...scored } = reply;
      return scored;
    },
  };
}

function notScorable(detail: string): PortolanError {
  return new PortolanError("evaluation.not_scorable", {
    detail,
    mend: "Check the columns and the model's output; see docs/errors.",
  });
}
