import type { WindowFeature } from "../view-model.ts";

/** What a line keeps of an operand: an integer beyond 2^53 is its decimal text. */
export type EventCell = number | string | null;

/**
 * One line of a log of events, as its entity sees it (docs/spec/features.md, F31): a version of an event, or a withdrawal of one. Times are epoch
 * microseconds.
 */
export interface EventRecord {
  readonly event: number;
  /** From when it speaks; never before the event. */
  readonly available: number;
  /** Its place in the log, from 1. */
  readonly sequence: number;
  /** Sequence of the version that counts no more from `available` on; absent in a version. */
  readonly withdraws?: number;
  /** It is no event: it withdraws the one that it names. Folded into nothing; for who knows events by their identity. */
  readonly isTombstone?: true;
  /** In the order of the shape's operands. */
  readonly values: readonly EventCell[];
}

export interface ShapedFeature
  extends Pick<WindowFeature, "aggregate" | "windowMicros" | "limit" | "nth" | "scale"> {
  /** Place of what it aggregates among the operands; -1 of a count of events. */
  readonly operand: number;
}

/** What an online store needs to know of a view to fold its windows. */
export interface WindowShape {
  /** In the view's order. */
  readonly features: readonly ShapedFeature[];
  readonly operands: readonly ("int" | "float" | "text")[];
  readonly longestMicros: number;
  /** How many parts an entity's key has. */
  readonly keyParts: number;
  /** Width of the pre-aggregates. */
  readonly tileMicros: number;
}
