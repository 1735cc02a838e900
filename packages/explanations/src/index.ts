export { type ShapleyValues, TreeShap } from "./tree-shap.ts";
export { type Covers, countCovers, scoresOf } from "./walk-trees.ts";
