import type {
  CountedBackground,
  ExplainedRow,
  PredictionAsked,
  PredictionExplained,
  RecordedRow,
} from "@portolan/evaluation";

/** What the explaining child gets, once, over IPC. */
export type ExplainChildJob =
  | {
      readonly kind: "background";
      readonly modelPath: string;
      readonly datasetPath: string;
      readonly features: readonly string[];
    }
  | {
      readonly kind: "explain";
      readonly modelPath: string;
      readonly backgroundPath: string;
      readonly recorded: RecordedRow;
      readonly answer: string;
      readonly row: number;
      readonly top: number;
      /** Columns that the nearest change leaves alone. */
      readonly fixed: readonly string[];
    }
  | {
      readonly kind: "explain_many";
      readonly modelPath: string;
      readonly backgroundPath: string;
      readonly asked: readonly PredictionAsked[];
      /** Rows of a request that are explained, from the first. */
      readonly mostRows: number;
      /** Milliseconds after which no other prediction is begun. */
      readonly workMs: number;
    };

export type ExplainChildReply =
  | { readonly kind: "counted"; readonly counted: CountedBackground }
  | { readonly kind: "unexplainable"; readonly reason: string }
  | { readonly kind: "explained"; readonly explained: ExplainedRow }
  /** All were told, or its time was over. */
  | { readonly kind: "ended" }
  | { readonly kind: "refused"; readonly reason: string };

/** What the child tells of one prediction of many; it goes on once it has an answer, whatever that is. */
export interface ExplainChildNews {
  readonly kind: "one";
  readonly at: number;
  readonly result: PredictionExplained;
}
