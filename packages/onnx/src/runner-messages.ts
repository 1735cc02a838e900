import type { ModelSignature } from "@portolan/onnx-format";
import type { Tensor } from "@portolan/serving/policy";

/** From the gateway to a runner. Node's `advanced` serialization carries typed arrays and bigints as they are. */
export type ToRunner =
  | { readonly kind: "load"; readonly bytes: Uint8Array; readonly signature: ModelSignature }
  | { readonly kind: "run"; readonly id: number; readonly inputs: readonly Tensor[] };

/** From a runner to the gateway. */
export type FromRunner =
  | { readonly kind: "loaded"; readonly warmUpMicros: number }
  | { readonly kind: "load_failed"; readonly detail: string }
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outputs: readonly Tensor[];
      readonly runMicros: number;
    }
  | { readonly kind: "failed"; readonly id: number; readonly detail: string };
