import type { ReleaseTerms } from "@portolan/charter/contract";
import type { Digest } from "@portolan/kernel";
import { scoreRequest } from "../evaluation-rows.ts";
import type { ProbeRequest } from "../ports.ts";
import type { EvaluationSet } from "../store.ts";
import type { ProbesAsked } from "./contract.ts";

/** What to ask a model beside its scores: what the charter asks, and what somebody asks besides; `undefined` where nobody does. Pure. */
export function probeRequest(
  model: Digest,
  { set, trainedOn }: { readonly set: EvaluationSet; readonly trainedOn: EvaluationSet | undefined },
  terms: Partial<ReleaseTerms> = {},
  asked: ProbesAsked = {},
): ProbeRequest | undefined {
  const robustness = terms.robustness ?? asked.robustness;
  const membership = terms.membership !== undefined || asked.membership === true;
  const trainingData = terms.trainingData !== undefined || asked.trainingData === true;
  if (!robustness && !membership && !trainingData) return undefined;
  const { dataset, labelColumn, featureColumns } = scoreRequest(model, set);
  return {
    model,
    dataset,
    ...(trainedOn ? { training: scoreRequest(model, trainedOn).dataset } : {}),
    labelColumn,
    featureColumns,
    ...(robustness ? { robustness: { mutable: robustness.mutable, radius: robustness.radius } } : {}),
    membership,
    trainingData,
    ...(terms.task === "multiclass_classification" ? { isSeveral: true } : {}),
  };
}
