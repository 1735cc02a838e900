export { binaryMetrics } from "./binary-metrics.ts";
export { type ComparisonEvidence, judgeChallenger } from "./compare/challenger-gate.ts";
export { type Evidence, judgeGates } from "./gates.ts";
export { type HeldOutVerdict, judgeHeldOut, type Span, type VersionOrigin } from "./held-out.ts";
export { judgePrivacy } from "./privacy-gate.ts";
export { judgeTextGates, type TextEvidence } from "./text/text-gates.ts";
