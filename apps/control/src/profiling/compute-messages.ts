import type { ModelSignature } from "@portolan/onnx-format";
import type { ComputeProfile } from "@portolan/registry/contract";

/** What the measuring child gets, once, over IPC. */
export interface ComputeJob {
  readonly modelPath: string;
  readonly signature: ModelSignature;
}

/** All but what the parent knows of the model and the machine. */
export type Measured = Pick<ComputeProfile, "loadMicros" | "single" | "batches"> & {
  readonly loadedBytes: number;
  readonly peakBytes: number;
};

export type ComputeReply =
  | { readonly kind: "measured"; readonly measured: Measured }
  | { readonly kind: "refused"; readonly reason: string };
