import type { EpochMicros } from "@portolan/kernel";

/**
 * What a masked value becomes, the strictest first: nothing; a pseudonym of this read alone; a pseudonym of the purpose; its last four
 * characters; its year.
 */
export const masks = ["null", "hash", "pseudonym", "partial", "year"] as const;
export type Mask = (typeof masks)[number];

/** Columns, by name or by tag; a column is meant when either names it. */
export interface ColumnSelector {
  readonly columns?: readonly string[];
  readonly tags?: readonly string[];
}

export interface MaskRule extends ColumnSelector {
  readonly with: Mask;
}

/** Rows whose group has fewer than so many are left out. */
export interface LeastGroup {
  readonly rows: number;
  readonly over: readonly string[];
}

/**
 * One policy on data. `allow` grants columns and may restrict; `restrict` grants nothing; `deny` takes away what others grant. What a
 * policy does not name, it does not ask for: without `contracts` it is of all of them, without columns and tags of all columns.
 */
export interface AccessPolicy extends ColumnSelector {
  readonly name: string;
  readonly effect: "allow" | "restrict" | "deny";
  /** An `allow` names at least one. */
  readonly purposes?: readonly string[];
  readonly roles?: readonly string[];
  readonly principals?: readonly string[];
  readonly contracts?: readonly string[];
  readonly environments?: readonly string[];
  /** An expression over the dataset's columns as they are, not as they are masked; only rows where it is true are read. */
  readonly rows?: string;
  readonly masks: readonly MaskRule[];
  readonly minGroup?: LeastGroup;
  /** From then on it allows and restricts nothing; a `deny` goes on denying. */
  readonly expires?: EpochMicros;
}
