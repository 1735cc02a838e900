import { hasDefaultChallenger } from "./challenger.ts";
import type { ControlName } from "./controls.ts";
import type { Enforcement } from "./derived.ts";
import type { CharterDocument } from "./document.ts";
import { enforcement } from "./enforcement.ts";
import { explanationTerms } from "./explanation-terms.ts";
import { notEvaluated, notToldByOutcomes } from "./measured-metrics.ts";
import { termsOf } from "./terms.ts";

/** Who keeps a control of this charter, or why nobody does. Pure. */
export function enforcementOf(document: CharterDocument, control: ControlName): Enforcement {
  const { fairness, review, requirements } = document;
  if (control === "explainability" && !explanationTerms(document))
    return {
      kind: "not_enforced",
      why: "predictions are explained when somebody asks; nothing sees to it that each can be, and no model is explained as a whole",
    };
  // Without a queue that says which and until when, nobody brings an answer to anybody.
  if (control === "human_review" && !review)
    return {
      kind: "not_enforced",
      why: "predictions do not wait for a person, and no review queue is stated",
    };
  // Charters from before there were measures say a bound, and not of what.
  if (control === "fairness_gate" && !fairness?.measures)
    return {
      kind: "not_enforced",
      why: "groups are not compared, for fairness.measures does not say in what they may differ",
    };
  if (control === "latency_gate" && requirements.modelBudget?.latencyShare === undefined)
    return {
      kind: "not_enforced",
      why: "a release is not tried under load, and no requirements.modelBudget bounds the model's own time",
    };
  const unmeasured = unmeasuredBy(document, control);
  if (unmeasured !== undefined) return { kind: "not_enforced", why: unmeasured };
  const { by, how } = enforcement[control];
  return by === undefined ? { kind: "not_enforced", why: how } : { kind: "enforced", by, how };
}

/** Why no two versions are held beside each other; `undefined` where they are. */
function notCompared(document: CharterDocument): string | undefined {
  const { requirements, model } = document;
  if (!hasDefaultChallenger(document) || termsOf(document).challenger) return undefined;
  return `no two versions of ${model.task} are compared in ${requirements.accuracy.metric}`;
}

/** Why a bound on the accuracy metric cannot act: nothing measures it. */
function unmeasuredBy(document: CharterDocument, control: ControlName): string | undefined {
  switch (control) {
    case "accuracy_gate":
      return notEvaluated(document);
    case "challenger_gate":
      return notCompared(document);
    case "accuracy_alert":
    case "accuracy_fallback":
    case "accuracy_stop":
      return notToldByOutcomes(document);
    default:
      return undefined;
  }
}
