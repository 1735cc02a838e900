import type { ErrorSpec } from "@portolan/kernel";

export const adviceErrors = {
  "advice.not_open": { status: 409, title: "Recommendation is not open" },
} as const satisfies Record<string, ErrorSpec>;

export type AdviceErrorCode = keyof typeof adviceErrors;
