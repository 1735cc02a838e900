import type { ErrorSpec } from "@portolan/kernel";

export const evaluationErrors = {
  "evaluation.set_not_found": { status: 404, title: "Training set not found" },
  "evaluation.not_held_out": { status: 422, title: "Rows are not held out from this version" },
  "evaluation.not_scorable": { status: 422, title: "Held-out rows cannot be scored" },
} as const satisfies Record<string, ErrorSpec>;

export type EvaluationErrorCode = keyof typeof evaluationErrors;
