import type { JsonObject } from "@portolan/kernel";
import type { CharterFacts, EvaluationFacts, PrivacyFacts, VersionRecord } from "./record.ts";

interface CardParts {
  /** Reference of the component that the model learned from. */
  readonly trainingSetRef: string;
  readonly formats: { readonly inputs: readonly JsonObject[]; readonly outputs: readonly JsonObject[] };
}

/** The `modelCard` of a CycloneDX component: nothing in it that is not on record. Pure. */
export function modelCardOf(record: VersionRecord, { trainingSetRef, formats }: CardParts): JsonObject {
  const { trainingSet, charter, evaluations, training } = record;
  const [newest] = evaluations;
  return {
    modelParameters: {
      // Training sets have a label: that is what supervised learning is.
      ...(trainingSet ? { approach: { type: "supervised" }, datasets: [{ ref: trainingSetRef }] } : {}),
      ...(charter ? { task: charter.task } : {}),
      inputs: formats.inputs,
      outputs: formats.outputs,
    },
    ...(newest ? { quantitativeAnalysis: { performanceMetrics: performanceMetrics(newest) } } : {}),
    ...(charter ? { considerations: considerations(charter, trainingSet?.dataClass) } : {}),
    ...(training?.privacy ? { properties: privacyProperties(training.privacy) } : {}),
  };
}

/** CycloneDX has no field for it: properties under our name. */
function privacyProperties(privacy: PrivacyFacts): JsonObject[] {
  return Object.entries(privacy).map(([name, value]) => ({
    name: `portolan:privacy:${name}`,
    value: String(value),
  }));
}

function performanceMetrics({ metrics, parts = [], setId, examples }: EvaluationFacts): JsonObject[] {
  const all = [
    ...metrics.map((metric) => ({ ...metric, slice: `${examples} examples of ${setId}` })),
    ...parts.map(({ of, rows, ...metric }) => ({ ...metric, slice: `${of}: ${rows} examples of ${setId}` })),
  ];
  return all.map(({ name, value, slice, interval }) => ({
    type: name,
    value: String(value),
    slice,
    ...(interval
      ? { confidenceInterval: { lowerBound: String(interval.low), upperBound: String(interval.high) } }
      : {}),
  }));
}

function considerations(charter: CharterFacts, dataClass: "research" | undefined): JsonObject {
  const { useCase, team, purposes, fairness } = charter;
  return {
    users: [`team ${team}`],
    useCases: [`${useCase}: ${charter.description}`, ...purposes.map((purpose) => `purpose ${purpose}`)],
    technicalLimitations: limitationsOf(charter, dataClass),
    ...(fairness
      ? {
          fairnessAssessments: fairness.attributes.map((attribute) => ({
            groupAtRisk: attribute,
            mitigationStrategy: `the charter allows a difference of at most ${fairness.maximumDifference}`,
          })),
        }
      : {}),
  };
}

/** What must not be expected of the model, in sentences. Pure. */
export function limitationsOf(charter: CharterFacts, dataClass: "research" | undefined): string[] {
  const { accuracy, humanReview, fallback } = charter;
  const bounds = [
    ...(accuracy.floor === undefined ? [] : [`at least ${accuracy.floor}`]),
    ...(accuracy.ceiling === undefined ? [] : [`at most ${accuracy.ceiling}`]),
  ];
  return [
    `The charter promises ${accuracy.metric} of ${bounds.join(" and ")} on held-out later data, and nothing beyond it.`,
    `Predictions for other purposes than ${charter.purposes.join(", ")} are refused.`,
    ...(humanReview === "none" ? [] : [`Human review: ${humanReview.replaceAll("_", " ")}.`]),
    `When the model cannot answer: ${fallback.replaceAll("_", " ")}.`,
    ...(dataClass === "research"
      ? ["It learned from de-identified research data and never reaches production."]
      : []),
  ];
}
