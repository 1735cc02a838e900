import type { ScoredBytes } from "@portolan/scoring/contract";
import type { InputPlan } from "@portolan/scoring/policy";
import type { Tensor } from "@portolan/serving/policy";

/** What the chunk's child gets, once, over IPC. */
export interface ChunkJob {
  /** Absent where another server runs the model: the child then asks its parent, as it reaches no network. */
  readonly modelPath?: string;
  readonly datasetPath: string;
  /** Where it writes the chunk. */
  readonly output: string;
  readonly plan: InputPlan;
  readonly keys: readonly string[];
  readonly from: number;
  readonly rows: number;
  readonly label: string;
}

/** Rows that the child wants scored elsewhere. */
export interface RowsAsked {
  readonly kind: "run";
  /** Of the question: several may be under way. */
  readonly id: number;
  readonly rows: number;
  readonly inputs: readonly Tensor[];
}

export type RowsAnswered =
  | { readonly kind: "ran"; readonly id: number; readonly outputs: readonly Tensor[] }
  /** The server does not take these rows, or gives something for them that is no answer. */
  | { readonly kind: "refused"; readonly id: number; readonly reason: string }
  /** Together these rows take longer than a request may. */
  | { readonly kind: "late"; readonly id: number };

export type ChunkReply =
  | {
      readonly kind: "scored";
      readonly rows: number;
      readonly refused: number;
      readonly rowsPerRun: number;
      /** Of the file that it wrote, in their order. */
      readonly columns: readonly string[];
      readonly cpuSeconds: number;
      readonly bytes: ScoredBytes;
    }
  | { readonly kind: "refused"; readonly reason: string };
