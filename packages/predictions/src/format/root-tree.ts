import { type HashText, nodeText } from "./record-leaf.ts";

/** Root of a growing RFC 6962 tree over leaf hashes; the same as `@portolan/merkle`'s, without a Buffer per hash. */
export class RootTree {
  #size = 0;
  readonly #peaks: HashText[] = [];

  get size(): number {
    return this.#size;
  }

  append(leaf: HashText): void {
    let hash = leaf;
    for (let index = this.#size; index % 2 === 1; index = (index - 1) / 2) {
      const left = this.#peaks.pop();
      if (left === undefined) throw new RangeError("the tree lost a subtree");
      hash = nodeText(left, hash);
    }
    this.#peaks.push(hash);
    this.#size += 1;
  }

  /** @throws RangeError without leaves: an organisation without records has no tree. */
  root(): HashText {
    const root = this.#peaks.reduceRight<HashText | undefined>(
      (right, left) => (right === undefined ? left : nodeText(left, right)),
      undefined,
    );
    if (root === undefined) throw new RangeError("the tree has no leaves");
    return root;
  }
}
