import type { ErrorSpec } from "@portolan/kernel";

export const evaluationErrors = {
  "evaluation.set_not_found": { status: 404, title: "Training set not found" },
  "evaluation.not_held_out": { status: 422, title: "Rows are not held out from this version" },
  "evaluation.not_comparable": { status: 422, title: "Versions cannot be compared" },
  "evaluation.text_set_not_found": { status: 404, title: "Set of cases not found" },
  "evaluation.text_set_invalid": { status: 422, title: "Set of cases cannot be read" },
  "evaluation.not_text": { status: 422, title: "Version does not answer such cases" },
  "evaluation.no_judge": { status: 422, title: "Answers cannot be judged" },
  "evaluation.upstream_away": { status: 503, title: "The version's server does not answer" },
  "evaluation.case_not_judged": { status: 422, title: "An answer cannot be judged" },
  "evaluation.all_refused": { status: 422, title: "No case was answered" },
  "evaluation.not_scorable": { status: 422, title: "Held-out rows cannot be scored" },
  "evaluation.not_explainable": { status: 422, title: "Prediction cannot be explained" },
  "evaluation.no_background": { status: 409, title: "Version has no background to explain against" },
  "evaluation.explainer_busy": { status: 503, title: "Too many explanations are asked for" },
} as const satisfies Record<string, ErrorSpec>;

export type EvaluationErrorCode = keyof typeof evaluationErrors;
