import type { ScoredClasses, SliceValues } from "@portolan/evaluation";

/** What the scoring child gets, once, over IPC. */
export interface ScoreJob {
  /** Absent where another server runs the model: the child then asks its parent, as it reaches no network. */
  readonly modelPath?: string;
  readonly datasetPath: string;
  readonly labelColumn: string;
  /** What the label column holds: 0 and 1, the number of one of several classes, or quantities. */
  readonly labels: "classes" | "several_classes" | "quantities";
  readonly featureColumns: readonly string[];
  readonly baselineColumn?: string;
  /** Columns whose values are given back; those that the file does not have are left out. */
  readonly sliceColumns?: readonly string[];
}

/** Rows that the child wants scored elsewhere: row-major, as many columns as the job has features. */
export interface RowsAsked {
  readonly kind: "run";
  readonly batch: Float32Array;
  readonly rows: number;
}

/** The model's FP32 outputs for those rows, in its order, or why there are none. */
export type RowsAnswered =
  | { readonly kind: "ran"; readonly outputs: readonly Float32Array[] }
  | { readonly kind: "failed"; readonly reason: string };

interface BesideScores {
  readonly baseline?: Float64Array;
  readonly slices?: readonly SliceValues[];
}

/** A score for each row. */
export interface RowScores<Labels = Uint8Array | Float64Array> extends BesideScores {
  readonly scores: Float64Array;
  readonly labels: Labels;
}

/** What a model of several classes says of each row: the whole table of its scores stays in the child. */
export type ClassScores = ScoredClasses;

export type ScoreReply<Scored = RowScores | ClassScores> =
  | ({ readonly kind: "scored" } & Scored)
  | { readonly kind: "refused"; readonly reason: string };
