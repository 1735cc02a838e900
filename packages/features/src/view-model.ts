import type { ColumnTypes, Expression } from "@portolan/expressions";

/** A window aggregate. Sums run on integers only, so every executor gives the same bits: docs/spec/features.md F5. */
export interface WindowFeature {
  readonly name: string;
  readonly aggregate: "count" | "sum" | "mean";
  /** What is aggregated (`int`, or `bool` counted as 0 and 1); a count without it counts events. */
  readonly of?: Expression;
  readonly windowMicros: number;
}

/** The canonical form of a feature view; its digest is its identity, a published version never changes. */
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
  /** A materialised value older than this is outside its age. */
  readonly ttlMicros: number;
  readonly features: readonly WindowFeature[];
}

/** `origin-delays@1`: how stores and models name a view's version. */
export function viewReference(view: Pick<FeatureView, "name" | "version">): string {
  return `${view.name}@${view.version}`;
}

/** Types of a dataset's columns as expressions see them. */
export function columnTypes(
  columns: readonly { readonly name: string; readonly type: string }[],
): ColumnTypes {
  const types = {
    string: "text",
    integer: "int",
    number: "float",
    boolean: "bool",
    instant: "instant",
    local: "local",
  } as const;
  return Object.fromEntries(
    columns.flatMap(({ name, type }) =>
      Object.hasOwn(types, type) ? [[name, types[type as keyof typeof types]]] : [],
    ),
  );
}
