import type { ModelSignature } from "@portolan/onnx-format";
import type { ProfiledRows, Tensor } from "@portolan/serving/policy";

/**
 * From the gateway to a runner or worker. Node's `advanced` serialization and a thread's structured clone carry typed
 * arrays and bigints as they are.
 */
export type ToRunner =
  | { readonly kind: "load"; readonly bytes: Uint8Array; readonly signature: ModelSignature }
  | { readonly kind: "run"; readonly id: number; readonly inputs: readonly Tensor[] };

/** From a runner or worker to the gateway. */
export type FromRunner =
  | { readonly kind: "loaded"; readonly micros: number; readonly profile: readonly ProfiledRows[] }
  | { readonly kind: "load_failed"; readonly detail: string }
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outputs: readonly Tensor[];
      readonly runMicros: number;
    }
  | { readonly kind: "failed"; readonly id: number; readonly detail: string };
