import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import type { ObjectStore } from "@portolan/kernel";
import type { ModelRuntime } from "@portolan/serving/policy";
import { askModelChild, notScorable } from "./model-child.ts";
import type { ClassScores, RowScores, ScoreJob, ScoreReply } from "./score-messages.ts";

const entry = fileURLToPath(new URL("./score-child.ts", import.meta.url));

/**
 * Scores in a child process that sees the model and the rows and nothing else; it is killed when it hangs, takes too much
 * memory, or the job is cancelled.
 */
export function createChildScorer(objects: ObjectStore, upstreams: ModelRuntime): Scorer {
  const ask = async <Scored extends object>(
    request: ScoreRequest,
    labels: ScoreJob["labels"],
    signal: AbortSignal,
  ): Promise<Omit<Extract<ScoreReply<Scored>, { kind: "scored" }>, "kind">> => {
    const datasetPath = await objects.localPath(request.dataset);
    const jobOf = (modelPath: string | undefined): ScoreJob => ({
      ...(modelPath === undefined ? {} : { modelPath }),
      datasetPath,
      labelColumn: request.labelColumn,
      labels,
      featureColumns: request.featureColumns,
      ...(request.baselineColumn === undefined ? {} : { baselineColumn: request.baselineColumn }),
      ...(request.sliceColumns === undefined ? {} : { sliceColumns: request.sliceColumns }),
    });
    const child = { entry, model: request.model, datasets: [datasetPath] };
    const reply = await askModelChild<ScoreReply<Scored>>({ objects, upstreams }, child, jobOf, signal);
    if (reply.kind === "refused") throw notScorable(reply.reason);
    const { kind: _, ...scored } = reply;
    return scored;
  };
  return {
    score: (request, signal) => ask<RowScores<Uint8Array>>(request, "classes", signal),
    scoreQuantities: (request, signal) => ask<RowScores<Float64Array>>(request, "quantities", signal),
    scoreClasses: (request, signal) => ask<ClassScores>(request, "several_classes", signal),
  };
}
