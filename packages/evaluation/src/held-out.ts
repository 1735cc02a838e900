import type { HeldOut } from "./contract.ts";

/** What must be known of rows to say that a model did not learn from them. Times are epoch microseconds, [from, to). */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** Digest of what a row says: contract, views, features, label, baseline. */
  readonly definition: string;
}

export interface VersionOrigin {
  /** The set that the platform trained it on; absent when it was trained elsewhere. */
  readonly trainedOn?: Span;
  /** When the platform first knew the model's bytes as this version, epoch microseconds. */
  readonly registeredAt: number;
}

export type HeldOutVerdict =
  | { readonly kind: "judged"; readonly heldOut: HeldOut }
  /** The rows cannot say anything fair about this version: nothing is measured. */
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Whether rows are held out from a version (docs/spec/promotion-gates.md, G7). Pure.
 *
 * Later only: rows from before the training interval are disjoint too, but a model that is asked about the past has
 * seen the future of it, and is never used so.
 */
export function judgeHeldOut(set: Span, version: VersionOrigin): HeldOutVerdict {
  const { trainedOn, registeredAt } = version;
  if (trainedOn === undefined) return { kind: "judged", heldOut: heldOutFromImport(set, registeredAt) };
  if (set.definition !== trainedOn.definition) {
    return {
      kind: "refused",
      reason:
        "its contract, views, features, label or baseline are not those that the version was trained with",
    };
  }
  if (set.from < trainedOn.to) {
    return { kind: "refused", reason: "it begins before the version's own training set ends" };
  }
  return { kind: "judged", heldOut: { shown: true, because: "every row is later than the training set" } };
}

/** What a model was trained on elsewhere nobody here knows; but it did not learn from what had not happened yet. */
function heldOutFromImport(set: Span, registeredAt: number): HeldOut {
  return set.from >= registeredAt
    ? { shown: true, because: "every row is later than the version's registration" }
    : {
        shown: false,
        because: "trained elsewhere, on unknown rows, and some of these are older than its registration",
      };
}
