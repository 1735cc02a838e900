export type { Assumption, Measurements } from "./assumptions.ts";
export type { CostBreakdown, CostCategory, CostLine } from "./costs.ts";
export type { Gap, ReadinessFacts } from "./gaps.ts";
export type { PlacementCandidate, PlacementChoice } from "./placement-choice.ts";
export type { BudgetVerdict, CharterPlan, PlanOptions } from "./plan-charter.ts";
export { PlanDocument } from "./plan-json.ts";
export { ExchangeRate, type Placement, type PriceBook, PriceFile, PriceRecord } from "./price-book.ts";
export type { Cost, Quantity, Range } from "./range.ts";
export type { Tier, TierChoice } from "./tier.ts";
