import type { JsonValue } from "@portolan/kernel";
import type { ControlName } from "./controls.ts";
import type { CharterTerms } from "./terms.ts";

/** Where in the charter something comes from. Lines count from 1 and are absent for charters sent as JSON. */
export interface Provenance {
  /** JSON pointer (RFC 6901) into the charter. */
  readonly pointer: string;
  readonly line?: number;
}

export type DerivedGroup =
  | "slo"
  | "alert"
  | "gate"
  | "limit"
  | "budget"
  | "retention"
  | "policy"
  | "obligation";

export type Enforcement =
  | { readonly kind: "enforced"; readonly by: string; readonly how: string }
  | { readonly kind: "not_enforced"; readonly why: string };

/** One thing that follows from the charter, and who keeps it. */
export interface DerivedItem {
  readonly control: ControlName;
  readonly group: DerivedGroup;
  /** One sentence for people. */
  readonly statement: string;
  /** The same for machines. */
  readonly value: JsonValue;
  readonly from: readonly Provenance[];
  readonly enforcement: Enforcement;
  /** Who demands it; empty: it is shown, and blocks nothing when it is not enforced. */
  readonly demandedBy: readonly Provenance[];
}

/** Everything that follows from one charter: numbers for machines (`terms`) and the list with its reasons. */
export interface DerivedCharter {
  readonly useCase: string;
  readonly terms: CharterTerms;
  readonly items: readonly DerivedItem[];
}
