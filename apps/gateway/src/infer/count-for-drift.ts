import type { DriftBook } from "../drift/drift-book.ts";
import type { ChainAnswer } from "./answer-chain.ts";
import type { InferCall } from "./infer-call.ts";
import type { Progress } from "./progress.ts";
import { replayedId } from "./replayed-id.ts";

/**
 * Counts an answer that a model gave; what a rule or a fixed value answered is none of a model's predictions, and a replay repeats a
 * case that was counted when it came.
 */
export function countForDrift(
  drift: DriftBook,
  { receivedAt }: Progress,
  call: InferCall,
  { by, inputs, outputs, used, fallback, statedTime }: ChainAnswer,
): void {
  if (inputs === undefined || replayedId(call) !== undefined) return;
  drift.count(by, fallback !== undefined, { inputs, outputs, used, at: statedTime ?? receivedAt });
}
