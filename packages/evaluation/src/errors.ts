import type { ErrorSpec } from "@portolan/kernel";

export const evaluationErrors = {
  "evaluation.not_scorable": { status: 422, title: "Held-out rows cannot be scored" },
} as const satisfies Record<string, ErrorSpec>;

export type EvaluationErrorCode = keyof typeof evaluationErrors;
