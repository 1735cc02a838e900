export { binaryMetrics } from "./binary-metrics.ts";
export { type Evidence, judgeGates } from "./gates.ts";
export { type HeldOutVerdict, judgeHeldOut, type Span, type VersionOrigin } from "./held-out.ts";
export { judgeTextGates, type TextEvidence } from "./text/text-gates.ts";
