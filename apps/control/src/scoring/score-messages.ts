/** What the scoring child gets, once, over IPC. */
export interface ScoreJob {
  readonly modelPath: string;
  readonly datasetPath: string;
  readonly labelColumn: string;
  readonly featureColumns: readonly string[];
  readonly baselineColumn?: string;
}

export type ScoreReply =
  | {
      readonly kind: "scored";
      readonly scores: Float64Array;
      readonly labels: Uint8Array;
      readonly baseline?: Float64Array;
    }
  | { readonly kind: "refused"; readonly reason: string };
