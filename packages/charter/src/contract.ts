export { type ChallengerTerms } from "./challenger.ts";
export {
  betterWhen,
  type ComparedMetric,
  comparedMetrics,
  isCompared,
  isOfUnit,
} from "./compared-metrics.ts";
export { type ControlName, controlNames } from "./controls.ts";
export type {
  DerivedCharter,
  DerivedGroup,
  DerivedItem,
  Enforcement,
  Provenance,
} from "./derived.ts";
export {
  CharterDocument,
  charterApiVersions,
  type LatencyClass,
  latencyClasses,
  type Regulation,
  regulations,
  type SigningRole,
  signingRoles,
} from "./document.ts";
export type { ExplanationTerms } from "./explanation-terms.ts";
export type { FairnessDifference, FairnessTerms } from "./fairness-terms.ts";
export type { FaithfulnessTerms } from "./faithfulness.ts";
export type { ReviewTerms } from "./human-review.ts";
export { type KpiDefinition, type KpiTerms, kpiCounts, parseKpi } from "./kpis.ts";
export { evaluatedMetrics, outcomeMetrics } from "./measured-metrics.ts";
export { type MetricName, type MetricRange, metricNames, metrics } from "./metrics.ts";
export type { BudgetTerms } from "./model-budget.ts";
export type {
  DeclaredLocation,
  PlacementLocation,
  PlacementRefusal,
  PlacementVerdict,
} from "./placement.ts";
export type { PrivacyTerms } from "./privacy-terms.ts";
export {
  type ReleaseTerms,
  type SliceTerms,
} from "./release-gates.ts";
export type { ProbeTerms, RobustnessTerms } from "./release-probes.ts";
export type { SupportFloor } from "./support-floor.ts";
export {
  type AccuracyBound,
  type CharterTerms,
  isHeldByInterval,
  type RateLimit,
  type WorkloadTerms,
} from "./terms.ts";
export {
  CharterBundle,
  type CharterStatus,
  CharterSummary,
  CharterView,
  charterStatuses,
  type InForceCharter,
  type InForceViewRow,
  inForceView,
  SignatureView,
} from "./views.ts";
