import type { CharterDocument } from "@portolan/charter/contract";
import type { PlannedWorkload } from "../placement-choice.ts";

/** What the charter states; else training where there is a trainer, retrieval where values are looked up, and what it states a size of. */
export function workloadsAsked(document: CharterDocument): readonly PlannedWorkload[] {
  const stated = document.workload?.kinds;
  if (stated) return stated.map((kind) => (kind === "low_latency_inference" ? "inference" : kind));
  const { batchInference, retrieval, fineTuning } = document.workload ?? {};
  const isBatch = document.nonNegotiables.latencyClass === "batch";
  return [
    ...(document.model.trainer === undefined ? [] : (["training"] as const)),
    ...(fineTuning ? (["fine_tuning"] as const) : []),
    ...(isBatch ? [] : (["inference"] as const)),
    ...(isBatch || batchInference ? (["batch_inference"] as const) : []),
    ...(retrieval || (document.data.featureViews ?? []).length > 0 ? (["retrieval"] as const) : []),
  ];
}

/** Whether nobody waits for an answer: what is scored is scored in batches, and no replica runs beside them. */
export function scoresInBatchesAlone(document: CharterDocument): boolean {
  const asked = workloadsAsked(document);
  return asked.includes("batch_inference") && !asked.includes("inference");
}
