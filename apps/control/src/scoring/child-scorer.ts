import { fileURLToPath } from "node:url";
import type { ScoreRequest, Scorer } from "@portolan/evaluation";
import type { ObjectStore } from "@portolan/kernel";
import type { ModelRuntime } from "@portolan/serving/policy";
import { askModelChild, notScorable } from "./model-child.ts";
import type { ScoreJob, ScoreReply } from "./score-messages.ts";

const entry = fileURLToPath(new URL("./score-child.ts", import.meta.url));

type Scored<Labels> = Omit<Extract<ScoreReply<Labels>, { kind: "scored" }>, "kind">;

/**
 * Scores in a child process that sees the model and the rows and nothing else; it is killed when it hangs, takes too much
 * memory, or the job is cancelled.
 */
export function createChildScorer(objects: ObjectStore, upstreams: ModelRuntime): Scorer {
  const ask = async <Labels>(
    request: ScoreRequest,
    labels: ScoreJob["labels"],
    signal: AbortSignal,
  ): Promise<Scored<Labels>> => {
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
    const reply = await askModelChild<ScoreReply<Labels>>({ objects, upstreams }, child, jobOf, signal);
    if (reply.kind === "refused") throw notScorable(reply.reason);
    const { kind: _, ...scored } = reply;
    return scored;
  };
  return {
    score: (request, signal) => ask<Uint8Array>(request, "classes", signal),
    scoreQuantities: (request, signal) => ask<Float64Array>(request, "quantities", signal),
  };
}
