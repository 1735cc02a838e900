import { type Expression, expressionText } from "@portolan/expressions";
import type { OnDemandFeature, OnDemandPlan, RequestField } from "./on-demand/on-demand-model.ts";

/** Aggregates of exact sums (F5, F26), and those of single values (F27, F28): docs/spec/features.md. */
export const sumAggregates = ["count", "sum", "mean", "variance"] as const;
export const pickAggregates = ["min", "max", "last", "distinct"] as const;

/** A window aggregate. Every executor gives the same bits. */
export interface WindowFeature {
  readonly name: string;
  readonly aggregate: (typeof sumAggregates)[number] | (typeof pickAggregates)[number];
  /**
   * What is aggregated: `int`, or `bool` as 0 and 1; a `float` by `min`, `max` and `last`, a `text` by `distinct`. A count without it counts events. A
   * condition of the definition (`where`) is part of it.
   */
  readonly of?: Expression;
  readonly windowMicros: number;
  /** Most that a `distinct` says. */
  readonly limit?: number;
  /** Of a sum, mean or variance: `of` counts units of this many digits after the point (F64); absent where it counts ones. */
  readonly scale?: number;
  /** Of a `last`: the value of the nth newest event that has one, from 2; absent of the newest. */
  readonly nth?: number;
}

/** A value that an event states: that of the newest event that is visible, no window. */
export interface ValueFeature {
  readonly name: string;
  /** `int`, `float`, `text`, or `bool` (read as 0 and 1), over the columns of the source. */
  readonly value: Expression;
}

/**
 * The canonical form of a feature view; its digest is its identity, a published version never changes. It has windows or values, never
 * both.
 */
export interface FeatureView {
  readonly name: string;
  readonly version: number;
  /** The data contract whose datasets are the events. */
  readonly source: string;
  /** Entity keys and the source columns they are read from, in key order. */
  readonly entity: readonly { readonly name: string; readonly column: string }[];
  readonly eventTime: string;
  /** When the event's values were known, epoch microseconds; never before the event. */
  readonly available: Expression;
  /** A value older than this is outside its age: one of a window since it was computed, any other since its event. */
  readonly ttlMicros: number;
  /** Empty in a view of values. */
  readonly features: readonly WindowFeature[];
  readonly values?: readonly ValueFeature[];
  /** What on-demand features read of a request; absent where none does. */
  readonly request?: readonly RequestField[];
  /** Computed at the moment of a request; only where the view has a log. */
  readonly onDemand?: readonly OnDemandFeature[];
  /** True in a row that withdraws: its entity's values, or the event that it states again. */
  readonly tombstone?: Expression;
  /** Which rows are one event, in a view of windows whose events lie in a log; absent where they are read from one dataset. */
  readonly identity?: EventIdentity;
  /** Events count online once they are accepted, while their batch is under way (F53); absent: with their batch. */
  readonly online?: "accepted";
}

/** What two rows have in common that state the same event (docs/spec/features.md, F30). */
export interface EventIdentity {
  /** Columns of the source, as its contract was when the view was published. */
  readonly columns: readonly string[];
  /** True when they are the contract's primary key; else they are all of its columns, and equal rows of one dataset are as many events. */
  readonly isKey: boolean;
}

/** A view of values: its records lie in a feature log (docs/spec/features.md, §5). */
export interface ValueView extends FeatureView {
  readonly values: readonly ValueFeature[];
}

export function isValueView(view: FeatureView): view is ValueView {
  return view.values !== undefined;
}

/** A view of windows whose events lie in a feature log (docs/spec/features.md, §7). */
export interface EventView extends FeatureView {
  readonly identity: EventIdentity;
}

export function isEventView(view: FeatureView): view is EventView {
  return view.identity !== undefined;
}

/** A view that has a feature log. */
export type LogView = ValueView | EventView;

export function hasLog(view: FeatureView): view is LogView {
  return isValueView(view) || isEventView(view);
}

/** Names of the features that a store keeps, in the view's order. */
export function storedNamesOf({ features, values = [] }: Pick<FeatureView, "features" | "values">): string[] {
  return [...features, ...values].map(({ name }) => name);
}

/** Names of those that are texts; all others are numbers. */
export function textNamesOf({ values = [] }: Pick<FeatureView, "values">): string[] {
  return values.filter(({ value }) => value.type === "text").map(({ name }) => name);
}

/** Names of a view's features: those that a store keeps, then those that are computed on demand. */
export function featureNamesOf(view: Pick<FeatureView, "features" | "values" | "onDemand">): string[] {
  return [...storedNamesOf(view), ...(view.onDemand ?? []).map(({ name }) => name)];
}

/** What whoever serves a view needs to know of its on-demand features; undefined where it has none. */
export function onDemandPlanOf(view: FeatureView): OnDemandPlan | undefined {
  const { request = [], onDemand } = view;
  const texts = textNamesOf(view);
  return (
    onDemand && {
      request,
      stored: storedNamesOf(view),
      ...(texts.length > 0 ? { texts } : {}),
      features: onDemand.map(({ name, value }) => ({ name, expression: expressionText(value) })),
    }
  );
}

/** `origin-delays@1`: how stores and models name a view's version. */
export function viewReference(view: Pick<FeatureView, "name" | "version">): string {
  return `${view.name}@${view.version}`;
}
