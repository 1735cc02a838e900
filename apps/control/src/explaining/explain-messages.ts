import type { CountedBackground, ExplainedRow, RecordedRow } from "@portolan/evaluation";

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
    };

export type ExplainChildReply =
  | { readonly kind: "counted"; readonly counted: CountedBackground }
  | { readonly kind: "unexplainable"; readonly reason: string }
  | { readonly kind: "explained"; readonly explained: ExplainedRow }
  | { readonly kind: "refused"; readonly reason: string };
