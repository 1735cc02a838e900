/** Pure judgement of retrainings. */

export {
  decideRetraining,
  type RetrainingDecision,
  type RetrainingStanding,
} from "./policy/decide-retraining.ts";
export { type AccuracyWindow, type DriftFinding, judgeAccuracy, judgeDrift } from "./policy/hysteresis.ts";
export { beyondBudget, costOfWork, parseMonthly, spendingEvidence } from "./policy/spending.ts";
export { retrainingTerms } from "./policy/terms.ts";
