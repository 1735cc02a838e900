import type { ValueType } from "@portolan/expressions";
import type { pickAggregates, sumAggregates } from "../view-model.ts";
import type { Term } from "./term.ts";

type Countable = "int" | "bool";
type Comparable = Countable | "float";

/** How long a window is (`3h`, `7d`, up to `90d`), and which events it takes. */
export interface Window {
  readonly window: string;
  /** Only events for which it is true. */
  readonly where?: Term<"bool">;
  readonly description?: string;
}

/** A feature as a view's YAML states it, but for its name. */
export interface FeatureDefinition {
  readonly aggregate?: (typeof sumAggregates)[number] | (typeof pickAggregates)[number] | "last_k";
  readonly of?: Term;
  readonly value?: Term;
  readonly onDemand?: Term;
  readonly window?: string;
  readonly where?: Term;
  readonly limit?: number;
  readonly k?: number;
  readonly description?: string;
}

function aggregated(
  aggregate: NonNullable<FeatureDefinition["aggregate"]>,
  of: Term | undefined,
  window: Window,
  more: Pick<FeatureDefinition, "limit" | "k"> = {},
): FeatureDefinition {
  return { aggregate, ...(of ? { of } : {}), ...window, ...more };
}

/** How many events there are, or of how many `of` is not null. */
export function count(window: Window, of?: Term): FeatureDefinition {
  return aggregated("count", of, window);
}

/** A sum of integers or truth values (0, 1), or of a number whose contract states its scale. */
export function sum(of: Term<Comparable>, window: Window): FeatureDefinition {
  return aggregated("sum", of, window);
}

/** As of `sum`. */
export function mean(of: Term<Comparable>, window: Window): FeatureDefinition {
  return aggregated("mean", of, window);
}

/** Of a sample; as of `sum`. */
export function variance(of: Term<Comparable>, window: Window): FeatureDefinition {
  return aggregated("variance", of, window);
}

export function min(of: Term<Comparable>, window: Window): FeatureDefinition {
  return aggregated("min", of, window);
}

export function max(of: Term<Comparable>, window: Window): FeatureDefinition {
  return aggregated("max", of, window);
}

/** The value of the newest event that has one. */
export function last(of: Term<Comparable>, window: Window): FeatureDefinition {
  return aggregated("last", of, window);
}

/** The values of the `k` newest events that have one: `name_1` to `name_k`, each a feature. */
export function lastK(of: Term<Comparable>, window: Window & { readonly k: number }): FeatureDefinition {
  return aggregated("last_k", of, window);
}

/** How many different values there are, up to `limit`. */
export function distinct(of: Term, window: Window & { readonly limit: number }): FeatureDefinition {
  return aggregated("distinct", of, window);
}

/** What the newest event states; a view of such has no windows. */
export function value(of: Term<Comparable | "text">, description?: string): FeatureDefinition {
  return { value: of, ...(description === undefined ? {} : { description }) };
}

/** Computed for each request, from its fields and the view's other features. */
export function onDemand(of: Term<Comparable>, description?: string): FeatureDefinition {
  return { onDemand: of, ...(description === undefined ? {} : { description }) };
}

/** Names with a term each. */
export type Terms<Types extends Readonly<Record<string, ValueType>>> = {
  readonly [Name in keyof Types]: Term<Types[Name]>;
};
