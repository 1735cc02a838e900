export type { Assumption, Measurements } from "./assumptions.ts";
export type { ChangedAssumptions } from "./costs/changed-assumptions.ts";
export type { CostBreakdown, CostCategory, CostLine } from "./costs.ts";
export type { Gap, ReadinessFacts } from "./gaps.ts";
export type { OwnershipAnswer, OwnershipQuestion, Way } from "./ownership/own-or-rent.ts";
export type { PlacementCandidate, PlacementChoice } from "./placement-choice.ts";
export type { BudgetVerdict, CharterPlan, PlanOptions } from "./plan-charter.ts";
export { PlanDocument } from "./plan-json.ts";
export { PortfolioDocument } from "./portfolio/portfolio.ts";
export { ExchangeRate, type Placement, type PriceBook, PriceFile, PriceRecord } from "./price-book.ts";
export type { Cost, Quantity, Range } from "./range.ts";
export type {
  CharterFact,
  Evidence,
  Found,
  RecordKind,
  ServedFact,
  UseCaseFacts,
} from "./readiness/evidence.ts";
export { ReadinessDocument } from "./readiness/readiness-schema.ts";
export type { Tier, TierChoice } from "./tier.ts";
