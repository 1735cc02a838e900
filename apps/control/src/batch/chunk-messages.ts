import type { InputPlan } from "@portolan/scoring/policy";

/** What the chunk's child gets, once, over IPC. */
export interface ChunkJob {
  readonly modelPath: string;
  readonly datasetPath: string;
  /** Where it writes the chunk. */
  readonly output: string;
  readonly plan: InputPlan;
  readonly keys: readonly string[];
  readonly from: number;
  readonly rows: number;
  readonly label: string;
}

export type ChunkReply =
  | {
      readonly kind: "scored";
      readonly rows: number;
      readonly refused: number;
      readonly rowsPerRun: number;
      /** Of the file that it wrote, in their order. */
      readonly columns: readonly string[];
      readonly cpuSeconds: number;
    }
  | { readonly kind: "refused"; readonly reason: string };
