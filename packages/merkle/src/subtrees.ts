import { nodeHash } from "./hashing.ts";

/**
 * A complete subtree: the 2^level leaves from `index * 2^level` on. Its hash never changes once these
 * leaves exist, which is why tiles store such nodes and nothing else.
 */
export interface NodePosition {
  readonly level: number;
  readonly index: number;
}

/** Largest power of two strictly below `size`; `size` ≥ 2. Sizes go to 2^53, so no bit operators here. */
export function splitPoint(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/**
 * The complete subtrees, from left to right, that make up the leaves [start, end) of a tree split as
 * RFC 6962 splits it. `start` must be aligned the way the recursion aligns it (0, or a sum of splits).
 */
export function subtreesOf(start: number, end: number): readonly NodePosition[] {
  const nodes: NodePosition[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (width * 2 <= end - at) {
      width *= 2;
      level += 1;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** Hash of adjacent subtrees given from left (largest) to right. `undefined` when there is none. */
export function foldSubtrees(hashes: readonly Uint8Array[]): Uint8Array | undefined {
  let folded: Uint8Array | undefined;
  for (const hash of hashes.toReversed()) folded = folded === undefined ? hash : nodeHash(hash, folded);
  return folded;
}
