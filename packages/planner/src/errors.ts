import type { ErrorSpec } from "@portolan/kernel";

export const plannerErrors = {
  "planner.price_book_not_valid": { status: 422, title: "Price book is not valid" },
  "planner.price_missing": { status: 422, title: "A price is missing" },
  "planner.assumption_not_valid": { status: 422, title: "Assumption is not valid" },
  "planner.plans_not_comparable": { status: 422, title: "Plans cannot be compared" },
  "planner.portfolio_not_summable": { status: 422, title: "Plans cannot be summed" },
} as const satisfies Record<string, ErrorSpec>;

export type PlannerErrorCode = keyof typeof plannerErrors;
