import type { Expression, ValueType } from "@portolan/expressions";

export const requestTypes = [
  "int",
  "float",
  "bool",
  "text",
  "instant",
  "local",
] as const satisfies ValueType[];

/** What a request brings, and a training set takes from its rows: by it on-demand features are computed. */
export interface RequestField {
  readonly name: string;
  readonly type: (typeof requestTypes)[number];
}

/** Computed at the moment of a request from its fields and the view's other features, these as doubles or texts (docs/spec/features.md, F61). */
export interface OnDemandFeature {
  readonly name: string;
  readonly value: Expression;
}

/** A view's on-demand features as whoever serves carries them: expressions are their texts. */
export interface OnDemandPlan {
  readonly request: readonly RequestField[];
  /** Names of the features that the store keeps. */
  readonly stored: readonly string[];
  /** Those of `stored` that are texts; absent where none is. */
  readonly texts?: readonly string[];
  readonly features: readonly { readonly name: string; readonly expression: string }[];
}
