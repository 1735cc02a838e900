import type { ErrorSpec } from "@portolan/kernel";

export const oversightErrors = {
  "oversight.person_needed": { status: 403, title: "Reviews are decided by people" },
  "oversight.not_claimed": { status: 409, title: "Review is not yours to decide" },
  "oversight.already_decided": { status: 409, title: "Decision is on the record" },
  "oversight.not_decided": { status: 409, title: "Decision comes before the answer" },
  "oversight.bad_value": { status: 422, title: "Decision does not fit the task" },
  "oversight.reason_missing": { status: 422, title: "Override needs a reason" },
  "oversight.bad_feedback": { status: 422, title: "Feedback does not say what its kind needs" },
} as const satisfies Record<string, ErrorSpec>;

export type OversightErrorCode = keyof typeof oversightErrors;
