/** Evaluated rows of quantities: what the model said, and what really happened. */
export interface QuantitySet {
  readonly scores: Float64Array;
  /** Same length as `scores`. */
  readonly labels: Float64Array;
}
