import type { PredictionContext } from "@portolan/predictions/contract";
import type { ActiveRoute } from "../snapshot/serving-state.ts";

/** By the context of who answered and of who should have: records of one context share the object, by whose identity its encoding is kept. */
const known = new WeakMap<PredictionContext, WeakMap<PredictionContext, PredictionContext>>();

/** The context of an answer in another version's place, which it names: failures are judged by whose they are. */
export function inPlaceOf(answered: PredictionContext, { context: chosen }: ActiveRoute): PredictionContext {
  if (!chosen.model) return answered;
  const contexts = known.get(answered) ?? new WeakMap<PredictionContext, PredictionContext>();
  known.set(answered, contexts);
  const { name, version } = chosen.model;
  const context = contexts.get(chosen) ?? { ...answered, insteadOf: { name, version } };
  contexts.set(chosen, context);
  return context;
}
