export { seededRandom } from "@portolan/numerics";
export {
  type AttackedRow,
  type AttackTerms,
  attackRows,
  type DecideRows,
} from "./boundary-attack.ts";
export {
  type CertificateTerms,
  type CertifiedRadius,
  certifiedRadius,
  type PositiveMargin,
  positiveMargin,
} from "./certified-radius.ts";
export { answerOf, type Decision, decisionOf } from "./decision.ts";
export { exactColumns, type KernelTerms, kernelShap, type ScoreRows } from "./kernel-shap.ts";
export {
  isExplainedLinearly,
  type LinearDecision,
  type LinearScore,
  linearAnswersOf,
  linearDecisionOf,
  linearScore,
  linearShap,
  nearestLinearChanges,
} from "./linear.ts";
export {
  type ColumnRange,
  distanceBetween,
  drawRows,
  type MutableSpace,
  spaceOf,
} from "./mutable-space.ts";
export {
  type ChangeTerms,
  type NearestChange,
  type NearestChangeFound,
  nearestChange,
} from "./nearest-change.ts";
export { type ShapleyValues, TreeShap } from "./tree-shap.ts";
export { type Covers, countCovers, scoresOf } from "./walk-trees.ts";
