import { isPortolanError } from "@portolan/kernel";
import type { CopyLeaf } from "./findings.ts";

/** One copy of the log: the SQL rows, the tile hashes or the entry bundles. Read from its start as often as needed. */
export interface LogCopy {
  readonly name: "rows" | "tiles" | "bundles";
  /** Its leaves in order, in parts of any size. What was made at known places is read up to `end` leaves. */
  open(end: number): AsyncIterable<readonly CopyLeaf[]> | Iterable<readonly CopyLeaf[]>;
}

export function copyInMemory(name: LogCopy["name"], leaves: readonly CopyLeaf[]): LogCopy {
  return { name, open: () => [leaves] };
}

/** Reads a copy in parts of the size that is asked for. A copy that breaks off is one that ends early, and says why. */
export class LeafReader {
  readonly #parts: AsyncIterator<readonly CopyLeaf[]> | Iterator<readonly CopyLeaf[]>;
  #part: readonly CopyLeaf[] = [];
  #used = 0;
  #brokeOff: string | undefined;

  constructor(copy: LogCopy, end: number) {
    const parts = copy.open(end);
    this.#parts = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : parts[Symbol.iterator]();
  }

  /** What is wrong where the copy breaks off; `undefined` for one that is whole as far as it was read. */
  get brokeOff(): string | undefined {
    return this.#brokeOff;
  }

  /** The next leaves; fewer than `count` only at the end. */
  async next(count: number): Promise<readonly CopyLeaf[]> {
    const leaves: CopyLeaf[] = [];
    while (leaves.length < count && (await this.#fill())) {
      const taken = this.#part.slice(this.#used, this.#used + count - leaves.length);
      this.#used += taken.length;
      for (const leaf of taken) leaves.push(leaf);
    }
    return leaves;
  }

  async #fill(): Promise<boolean> {
    while (this.#used >= this.#part.length) {
      if (this.#brokeOff !== undefined) return false;
      try {
        const part = await this.#parts.next();
        if (part.done === true) return false;
        this.#part = part.value;
        this.#used = 0;
      } catch (error) {
        if (!isPortolanError(error) || error.code !== "ledger.tiles_damaged") throw error;
        this.#brokeOff = error.detail ?? "unreadable";
      }
    }
    return true;
  }
}
