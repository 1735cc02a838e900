export { binaryMetrics } from "./binary-metrics.ts";
export { judgeGates } from "./gates.ts";
