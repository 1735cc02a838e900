import type { PredictionContext } from "@portolan/predictions/contract";
import { type ActiveRoute, watchedModel } from "../snapshot/serving-state.ts";

/** By the context of who answered and of who should have: records of one context share the object, by whose identity its encoding is kept. */
const known = new WeakMap<PredictionContext, WeakMap<PredictionContext, PredictionContext>>();

/** The context of an answer in another version's place, which it names: failures are judged by whose they are. */
export function inPlaceOf(answered: PredictionContext, version: ActiveRoute): PredictionContext {
  const chosen = version.context;
  if (!chosen.model) return answered;
  const contexts = known.get(answered) ?? new WeakMap<PredictionContext, PredictionContext>();
  known.set(answered, contexts);
  // Wherever it was to run, the version is one.
  const { name, version: number } = watchedModel(version);
  const context = contexts.get(chosen) ?? { ...answered, insteadOf: { name, version: String(number) } };
  contexts.set(chosen, context);
  return context;
}
