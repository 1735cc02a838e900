import type { ProfiledData } from "@portolan/monitoring";
import type { ModelSignature } from "@portolan/onnx-format";

/** What the profiling child gets, once, over IPC. */
export interface ProfileChildJob {
  readonly modelPath: string;
  readonly datasetPath: string;
  readonly signature: ModelSignature;
  readonly features: readonly string[];
}

export type ProfileChildReply =
  | { readonly kind: "profiled"; readonly data: ProfiledData }
  | { readonly kind: "refused"; readonly reason: string };
