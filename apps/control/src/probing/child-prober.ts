import { fileURLToPath } from "node:url";
import type { ProbeRequest, Prober } from "@portolan/evaluation";
import type { ObjectStore } from "@portolan/kernel";
import type { ModelRuntime } from "@portolan/serving/policy";
import { askModelChild, notScorable } from "../scoring/model-child.ts";
import type { ProbeJob, ProbeReply } from "./probe-messages.ts";

const entry = fileURLToPath(new URL("./probe-child.ts", import.meta.url));

/** Asks models more than held-out rows, in a child process that sees the model and the rows and nothing else. */
export function createChildProber(objects: ObjectStore, upstreams: ModelRuntime): Prober {
  return {
    async probe(request: ProbeRequest, signal: AbortSignal) {
      const { model, dataset, training, labelColumn, featureColumns } = request;
      const { robustness, membership, trainingData, isSeveral = false } = request;
      const datasetPath = await objects.localPath(dataset);
      const trainingPath =
        training !== undefined && (await objects.has(training))
          ? await objects.localPath(training)
          : undefined;
      const noTraining =
        training === undefined
          ? "the version was trained elsewhere, on rows that nobody here knows"
          : "the rows that the version was trained on are gone";
      const jobOf = (modelPath: string | undefined): ProbeJob => ({
        ...(modelPath === undefined ? {} : { modelPath }),
        datasetPath,
        ...(trainingPath === undefined ? {} : { trainingPath }),
        noTraining,
        labelColumn,
        featureColumns,
        ...(robustness ? { robustness } : {}),
        membership,
        trainingData,
        isSeveral,
      });
      const datasets = [datasetPath, ...(trainingPath === undefined ? [] : [trainingPath])];
      const reply = await askModelChild<ProbeReply>(
        { objects, upstreams },
        { entry, model, datasets },
        jobOf,
        signal,
      );
      if (reply.kind === "refused") throw notScorable(reply.reason);
      return reply.reports;
    },
  };
}
