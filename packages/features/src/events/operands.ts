import type { Expression } from "@portolan/expressions";
import type { EventView, WindowFeature } from "../view-model.ts";

/** What a log of events keeps of a row beside its times and its key: each expression that some feature aggregates, once. */
export function operandsOf({ features }: Pick<EventView, "features">): Expression[] {
  const found = new Map<string, Expression>();
  for (const { of } of features) if (of) found.set(JSON.stringify(of), of);
  return [...found.values()];
}

/** Place of a feature's operand among `operandsOf`; -1 of a count of events. */
export function operandIndex(operands: readonly Expression[], { of }: WindowFeature): number {
  const text = JSON.stringify(of);
  return of ? operands.findIndex((operand) => JSON.stringify(operand) === text) : -1;
}

/** The type in which an operand is kept: a truth value is 0 or 1. */
export function keptType({ type }: Expression): "int" | "float" | "text" {
  return type === "float" || type === "text" ? type : "int";
}
