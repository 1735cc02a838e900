/** How a node decides; `LEAF` decides nothing. */
export const branchModes = [
  "LEAF",
  "BRANCH_LEQ",
  "BRANCH_LT",
  "BRANCH_GTE",
  "BRANCH_GT",
  "BRANCH_EQ",
  "BRANCH_NEQ",
] as const;
export type BranchMode = (typeof branchModes)[number];

/** One decision tree, its nodes in the file's order. Node 0 is the root; every other node has one parent. */
export interface DecisionTree {
  /** Index into `branchModes` by node. */
  readonly modes: Uint8Array;
  /** The column that a node looks at; 0 at leaves. */
  readonly features: Int32Array;
  readonly thresholds: Float64Array;
  /** Node that follows where the condition holds; 0 at leaves. */
  readonly whenTrue: Int32Array;
  readonly whenFalse: Int32Array;
  /** 1 where NaN counts as a condition that holds. */
  readonly missingIsTrue: Uint8Array;
  /** Nodes × targets: what a leaf adds to each target; 0 at inner nodes. */
  readonly weights: Float64Array;
  /** Edges from the root to the deepest leaf. */
  readonly depth: number;
}

/** What `TreeEnsembleClassifier` and `TreeEnsembleRegressor` of `ai.onnx.ml` say, versions 1 to 4. */
export interface TreeEnsemble {
  readonly kind: "classifier" | "regressor";
  /** Graph input whose columns the trees look at. */
  readonly input: string;
  readonly trees: readonly DecisionTree[];
  /** Scores before the post-transform. A binary classifier may have one: that of its second class. */
  readonly targets: number;
  /** By target. */
  readonly baseValues: Float64Array;
  /** How the trees' leaves become a score. */
  readonly aggregate: "SUM" | "AVERAGE";
  readonly postTransform: "NONE" | "SOFTMAX" | "LOGISTIC" | "SOFTMAX_ZERO" | "PROBIT";
  /** Labels of the classes; empty for a regressor. */
  readonly classes: readonly string[];
  /** One more than the highest column that a node looks at. */
  readonly columns: number;
}
