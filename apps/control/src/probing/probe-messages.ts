import type { ProbeRequest } from "@portolan/evaluation";
import type { ProbeReports } from "@portolan/evaluation/contract";

/** What the probing child gets, once, over IPC. */
export interface ProbeJob
  extends Pick<
    ProbeRequest,
    "labelColumn" | "featureColumns" | "robustness" | "membership" | "trainingData" | "isSeveral"
  > {
  /** Absent where another server runs the model: the child then asks its parent. */
  readonly modelPath?: string;
  readonly datasetPath: string;
  /** Absent where the version was not trained here, or its rows are gone. */
  readonly trainingPath?: string;
  /** Why there are no training rows. */
  readonly noTraining: string;
}

export type ProbeReply =
  | { readonly kind: "probed"; readonly reports: ProbeReports }
  | { readonly kind: "refused"; readonly reason: string };
