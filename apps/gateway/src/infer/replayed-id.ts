import type { PredictionId } from "@portolan/predictions/contract";
import { parsePredictionId } from "@portolan/predictions/policy";
import type { InferCall } from "./infer-call.ts";

/**
 * The prediction that a request says it repeats, by its header `x-portolan-replay-of`. What is no prediction id marks nothing: such a
 * request is recorded and counted as any other.
 */
export function replayedId({ headers }: Pick<InferCall, "headers">): PredictionId | undefined {
  const header = headers["x-portolan-replay-of"];
  return typeof header === "string" && parsePredictionId(header) ? (header as PredictionId) : undefined;
}
