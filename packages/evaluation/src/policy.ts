export { binaryMetrics } from "./binary-metrics.ts";
export { type ComparisonEvidence, judgeChallenger } from "./compare/challenger-gate.ts";
export { isUnderRoot } from "./explain/kept-explanation.ts";
export { type Evidence, judgeGates } from "./gates.ts";
export { gatesText } from "./gates-text.ts";
export { type HeldOutVerdict, judgeHeldOut, type Span, type VersionOrigin } from "./held-out.ts";
export { judgePrivacy } from "./privacy-gate.ts";
export { measureClassMembership, measureMembership, membershipRows } from "./probes/membership.ts";
export { reviewedRows, reviewLabels } from "./probes/review-labels.ts";
export {
  attackedRows,
  certifiedRows,
  probeSeed,
  type RobustnessFound,
  robustnessReport,
} from "./probes/robustness-report.ts";
export { judgeTextGates, type TextEvidence } from "./text/text-gates.ts";
