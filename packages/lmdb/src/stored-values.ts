import { createHash } from "node:crypto";
import type { OnlineState, OnlineViewHeader, OnlineViewKey } from "@portolan/features/contract";
import type { RootDatabase } from "lmdb";
import type { WindowRow } from "./window-rows.ts";

export interface StoredHeader extends OnlineViewHeader {
  readonly asOf: number;
  /** The generation that readers look into. */
  readonly generation: number;
  /** How far a log is folded; absent where a materialisation wrote the values. */
  readonly fold?: { readonly log: string; readonly sequence: number };
}

/** What a materialisation computed for one entity. */
export interface StoredVector {
  /** As of, epoch microseconds. */
  readonly a: number;
  readonly v: readonly (number | null)[];
}

/** Records of one entity that can still win: event, available, sequence, 1 for a tombstone, values. */
export interface StoredRecords {
  readonly r: readonly (readonly [number, number, number, 0 | 1, readonly (number | null)[]])[];
}

export type Key = (string | number)[];
export type Values = RootDatabase<StoredHeader | StoredVector | StoredRecords | WindowRow | OnlineState, Key>;

export function placeOf({ organisationId, environment, view }: OnlineViewKey): string[] {
  return [organisationId, environment, view];
}

export function headerOf(values: Values, view: OnlineViewKey): StoredHeader | undefined {
  return values.get(["view", ...placeOf(view)]) as StoredHeader | undefined;
}

/** Where the header of a view lies. */
export function headerKey(view: OnlineViewKey): Key {
  return ["view", ...placeOf(view)];
}

/** LMDB takes keys of at most 1,978 bytes; what a request asks for may be longer, and must be not found, not a fault. */
const longestPart = 100;

/** Keys are text: 64-bit integers have one form (decimal) whether they come from JSON, from DuckDB or from a stream. */
export function valueKey(view: OnlineViewKey, generation: number, key: readonly (string | number)[]): Key {
  const parts = key.map((part) => {
    const text = String(part);
    return text.length <= longestPart ? `=${text}` : `#${createHash("sha256").update(text).digest("hex")}`;
  });
  return ["value", ...placeOf(view), generation, ...parts];
}

/**
 * Removes generations up to, not including, this one, after the switch to a newer one. Callers leave the one before the newest: a reader that
 * has read the old header, but not yet its values, still finds them. What a crash leaves is in the range of the next call.
 */
export function dropGenerationsBefore(
  values: Values,
  view: OnlineViewKey,
  generation: number,
): Promise<void> {
  return dropRange(values, ["value", ...placeOf(view)], ["value", ...placeOf(view), generation]);
}

/** Removes one generation that no header names. */
export function dropGeneration(values: Values, view: OnlineViewKey, generation: number): Promise<void> {
  const place = ["value", ...placeOf(view)];
  return dropRange(values, [...place, generation], [...place, generation + 1]);
}

/** Keys that one transaction removes: a generation may have millions, and the caller's thread serves others too. */
const keysPerTransaction = 1000;

async function dropRange(values: Values, start: Key, end: Key): Promise<void> {
  for (let removed = keysPerTransaction; removed === keysPerTransaction; )
    removed = await values.transaction(() => {
      const keys = Array.from(values.getKeys({ start, end, limit: keysPerTransaction }));
      for (const key of keys) void values.remove(key);
      return keys.length;
    });
}
