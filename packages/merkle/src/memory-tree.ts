import { CompactTree } from "./compact-tree.ts";
import { emptyRoot } from "./hashing.ts";
import { type ProofPlan, planConsistency, planInclusion } from "./proof-plans.ts";
import { foldSubtrees, type NodePosition, subtreesOf } from "./subtrees.ts";

/** A whole tree in memory (two hashes per leaf), for blocks, exports and tests; logs keep theirs in tiles. */
export class MemoryTree {
  readonly #edge = new CompactTree();
  readonly #levels: Uint8Array[][] = [];

  static of(leafHashes: Iterable<Uint8Array>): MemoryTree {
    const tree = new MemoryTree();
    for (const leaf of leafHashes) tree.append(leaf);
    return tree;
  }

  get size(): number {
    return this.#edge.size;
  }

  append(leaf: Uint8Array): void {
    this.#edge.append(leaf, ({ level }, hash) => {
      const row = this.#levels[level] ?? [];
      row.push(hash);
      this.#levels[level] = row;
    });
  }

  /** Root of the first `size` leaves. */
  root(size: number = this.size): Uint8Array {
    if (size === 0) return emptyRoot();
    return this.#fold(subtreesOf(0, size));
  }

  /** Proof that leaf `index` is under `root(size)`. */
  inclusionProof(index: number, size: number = this.size): Uint8Array[] {
    this.#demand(size);
    return this.#fill(planInclusion(index, size));
  }

  /** Proof that `root(newer)` extends `root(older)`. */
  consistencyProof(older: number, newer: number = this.size): Uint8Array[] {
    this.#demand(newer);
    return this.#fill(planConsistency(older, newer));
  }

  #demand(size: number): void {
    if (size > this.size) throw new RangeError(`the tree has ${this.size} leaves, not ${size}`);
  }

  #fill(plan: ProofPlan): Uint8Array[] {
    return plan.map((nodes) => this.#fold(nodes));
  }

  #fold(nodes: readonly NodePosition[]): Uint8Array {
    const folded = foldSubtrees(nodes.map((node) => this.#at(node)));
    if (folded === undefined) throw new RangeError("an empty range has no hash");
    return folded;
  }

  #at({ level, index }: NodePosition): Uint8Array {
    const hash = this.#levels[level]?.[index];
    if (hash === undefined) throw new RangeError(`no complete subtree ${index} at level ${level}`);
    return hash;
  }
}
