import { emptyRoot, hashBytes, nodeHash } from "./hashing.ts";
import { foldSubtrees, type NodePosition, subtreesOf } from "./subtrees.ts";

/** Told of every subtree that an append completes, the leaf itself (level 0) first. */
export type NodeSink = (position: NodePosition, hash: Uint8Array) => void;

/**
 * The right edge of a growing tree: its size and the roots of its complete subtrees, largest first.
 * At most 53 hashes however large the tree is, so a writer can go on without its old leaves.
 */
export class CompactTree {
  #size = 0;
  #peaks: Uint8Array[] = [];

  /** @throws RangeError when the peaks are not those of a tree of that size. */
  static resume(size: number, peaks: readonly Uint8Array[]): CompactTree {
    if (!Number.isSafeInteger(size) || size < 0 || peaks.length !== subtreesOf(0, size).length) {
      throw new RangeError(`${peaks.length} subtree hashes do not make a tree of ${size} leaves`);
    }
    if (peaks.some((peak) => peak.length !== hashBytes)) throw new RangeError("a hash has 32 bytes");
    const tree = new CompactTree();
    tree.#size = size;
    tree.#peaks = [...peaks];
    return tree;
  }

  get size(): number {
    return this.#size;
  }

  get peaks(): readonly Uint8Array[] {
    return this.#peaks;
  }

  append(leaf: Uint8Array, sink?: NodeSink): void {
    let hash = leaf;
    let level = 0;
    let index = this.#size;
    sink?.({ level, index }, hash);
    while (index % 2 === 1) {
      const left = this.#peaks.pop();
      if (left === undefined) throw new RangeError("the tree lost a subtree");
      hash = nodeHash(left, hash);
      level += 1;
      index = (index - 1) / 2;
      sink?.({ level, index }, hash);
    }
    this.#peaks.push(hash);
    this.#size += 1;
  }

  root(): Uint8Array {
    return foldSubtrees(this.#peaks) ?? emptyRoot();
  }

  clone(): CompactTree {
    return CompactTree.resume(this.#size, this.#peaks);
  }
}

/** Root over leaf hashes (not entries), as RFC 6962 MTH. */
export function rootOfLeaves(leafHashes: Iterable<Uint8Array>): Uint8Array {
  const tree = new CompactTree();
  for (const leaf of leafHashes) tree.append(leaf);
  return tree.root();
}
