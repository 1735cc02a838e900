export * from "./normal.ts";
export * from "./proper-scores.ts";
export * from "./quantile.ts";
export * from "./roc-auc.ts";
