import type { ErrorSpec } from "@portolan/kernel";

export const retrainingErrors = {
  "retraining.already_running": { status: 409, title: "A retraining of this use case is under way" },
  "retraining.not_permitted": { status: 409, title: "Retraining is not permitted now" },
  "retraining.policy_refused": { status: 422, title: "Policy contradicts the charter" },
  "retraining.wrong_state": { status: 409, title: "Retraining is not in a state for this" },
  "retraining.not_approver": { status: 403, title: "Retraining needs somebody else's approval" },
} as const satisfies Record<string, ErrorSpec>;

export type RetrainingErrorCode = keyof typeof retrainingErrors;
