/** Pure: what gateways count with, how reference profiles are made, and how counts are judged. */
export {
  type AlertFormat,
  type AlertMessage,
  alertFormats,
  alertMessage,
  messageId,
  needsRepeats,
} from "./alerts/alert-message.ts";
export { cellCount, cellLabels } from "./cells.ts";
export { type CountedTensor, DriftCounter, type IsAbsent, splitCounts } from "./drift-counter.ts";
export { numbersOf } from "./half-values.ts";
export { SeriesJudge } from "./judgement/judge-series.ts";
export { driftPolicy } from "./judgement/policy.ts";
export { joinWindows } from "./judgement/windows.ts";
export { type DataObjective, dataOpenSlo, dataPrometheusRules } from "./objectives/data-objectives.ts";
export { bucketEdgeMicros, type HistogramKind } from "./objectives/indicator.ts";
export { lifecycleMetric } from "./objectives/lifecycle-rules.ts";
export { openSlo } from "./objectives/open-slo.ts";
export { prometheusRules } from "./objectives/prometheus-rules.ts";
export { classCase, happenedBy, saidBy } from "./performance/case-values.ts";
export { measuredFromOutcomes } from "./performance/measure-cases.ts";
export { performancePolicy } from "./performance/performance-policy.ts";
export { rankingCase } from "./performance/ranking-case.ts";
export { bins, levelsReference, mostLevels, numericReference } from "./reference-profile.ts";
export { nextSampling } from "./sampling.ts";
export { windowMicros, windowStartOf } from "./window.ts";
