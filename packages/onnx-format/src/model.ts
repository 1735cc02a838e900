import type { Datatype } from "./element-types.ts";

/** One named tensor of a model's signature, in the words of the Open Inference Protocol. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /** Full shape; -1 where the size varies from call to call. */
  readonly shape: readonly number[];
  /** Names of the variable dimensions, by position; `null` where fixed or unnamed. */
  readonly symbols?: readonly (string | null)[];
}

/** What a model takes and gives. Plain JSON, so that registry and snapshots carry it as it is. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** A graph input or output as the file declares it, tensors or not. */
export interface OnnxValue {
  readonly name: string;
  readonly kind: "tensor" | "sequence" | "map" | "optional" | "sparse_tensor" | "opaque" | "untyped";
  /** ONNX element type number; 0 for non-tensors. */
  readonly elementType: number;
  /** -1 where variable; absent when the file declares no shape at all. */
  readonly shape?: readonly number[];
  readonly symbols?: readonly (string | null)[];
}

export interface OnnxOperator {
  /** Empty for the standard operators. */
  readonly domain: string;
  readonly name: string;
  readonly count: number;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly elementType: number;
  readonly dims: readonly number[];
  /** Bytes that the shape announces; may exceed what is stored in a malformed file. */
  readonly declaredBytes: number;
  /** Elements found in the file; 0 for external data. */
  readonly storedElements: number;
  readonly external?: string;
}

/** Everything that Portolan reads from an ONNX file. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producer: string;
  readonly producerVersion: string;
  readonly graphName: string;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  /** Graph inputs that are not initializers: what a caller must send. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly operators: readonly OnnxOperator[];
  readonly nodeCount: number;
  /** 0 without `If`/`Loop`/`Scan` bodies. */
  readonly subgraphDepth: number;
  /** Domains of functions defined inside the file; their operators are counted in `operators`. */
  readonly functions: readonly { readonly domain: string; readonly name: string }[];
  readonly initializers: readonly OnnxInitializer[];
  readonly metadata: Readonly<Record<string, string>>;
}
