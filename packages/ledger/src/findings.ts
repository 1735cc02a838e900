/** A leaf as some copy of the log has it. The array position is the place it stands at. */
export interface CopyLeaf {
  /** Hex of the leaf hash, computed from the entry wherever there is one. */
  readonly hash: string;
  readonly id: string | undefined;
  /** The place it claims; a claim that differs from its true place is reported once per copy. */
  readonly index: number;
  /** What is wrong inside the row itself (payload, columns), although its entry may be sound. */
  readonly fault?: string;
}

export type FindingKind =
  /** Same place, other content. */
  | "edited"
  /** A leaf of the signed history has no row. */
  | "removed"
  /** A row that no leaf of the signed history is made of. */
  | "inserted"
  /** The row is genuine and stands at another place. */
  | "reordered"
  /** Rows claim other indexes than they have, because of what was removed or inserted before them. */
  | "renumbered"
  /** A copy departs from the signed roots somewhere in a range, and no sound copy is left to say where. */
  | "diverged"
  /** A checkpoint does not count, or contradicts another. */
  | "checkpoint"
  /** The file is not what the format says. */
  | "malformed";

export interface Finding {
  readonly kind: FindingKind;
  /** Which copy: `rows`, `tiles` or `bundles`. */
  readonly copy: string;
  /** Place in the signed history; for `inserted` the place before which the row stands. */
  readonly index?: number;
  readonly id?: string;
  readonly detail: string;
}

export function idOf(leaf: CopyLeaf | undefined): { readonly id?: string } {
  return leaf?.id === undefined ? {} : { id: leaf.id };
}
