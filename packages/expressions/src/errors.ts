import type { ErrorSpec } from "@portolan/kernel";

export const expressionErrors = {
  "expressions.syntax": { status: 400, title: "Expression is not understood" },
  "expressions.type": { status: 400, title: "Expression does not type-check" },
} as const satisfies Record<string, ErrorSpec>;
export type ExpressionErrorCode = keyof typeof expressionErrors;
