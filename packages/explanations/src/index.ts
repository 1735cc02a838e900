export { type Decision, decisionOf } from "./decision.ts";
export { type ChangeTerms, type NearestChange, nearestChange } from "./nearest-change.ts";
export { type ShapleyValues, TreeShap } from "./tree-shap.ts";
export { type Covers, countCovers, scoresOf } from "./walk-trees.ts";
