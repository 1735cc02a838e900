/** A model whose scores are sums of its columns, each times a weight; with what a scaler before it does taken in. */
export interface LinearModel {
  readonly kind: "classifier" | "regressor";
  /** Graph input whose columns are weighed. */
  readonly input: string;
  readonly columns: number;
  /** Scores before the post-transform. */
  readonly targets: number;
  /** Targets × columns. */
  readonly weights: Float64Array;
  /** By target. */
  readonly intercepts: Float64Array;
  readonly postTransform: "NONE" | "SOFTMAX" | "LOGISTIC";
  /** Labels of the classes; empty where the file names none. */
  readonly classes: readonly string[];
}
