export * from "./divergence.ts";
export * from "./mmd.ts";
export * from "./multiple-tests.ts";
export * from "./normal.ts";
export * from "./proper-scores.ts";
export * from "./quantile.ts";
export * from "./roc-auc.ts";
export * from "./wilson.ts";
