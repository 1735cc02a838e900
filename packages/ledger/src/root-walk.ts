import { CompactTree, hashFromHex, sameHash } from "@portolan/merkle";
import type { TimedCheckpoint } from "./checkpoints.ts";
import type { CopyLeaf } from "./findings.ts";
import { LeafReader, type LogCopy } from "./leaf-reader.ts";

/** How one copy stands to the signed roots. */
export interface CopyStanding {
  readonly copy: LogCopy;
  /** Leaves that it has, beyond the signed ones too. */
  readonly leaves: number;
  /** The stretch [from, to) in which it first departs from the signed roots; `undefined` when it gives them all. */
  readonly broken: readonly [number, number] | undefined;
  /** True when it also agrees with all others, claims the right places, and has no fault inside a row. */
  readonly isClean: boolean;
  readonly brokeOff: string | undefined;
}

/** Leaves that are taken from each copy at a time: bounds the memory, whatever the size of the log. */
export const readingPart = 2048;

/**
 * Reads all copies side by side, once, and holds them against every signed root on the way: each leaf is hashed into
 * the tree once, and once more only in copies that differ. Checkpoints are in order of size.
 */
export async function walkRoots(
  copies: readonly LogCopy[],
  checkpoints: readonly TimedCheckpoint[],
  onProgress: (fraction: number) => void,
): Promise<readonly CopyStanding[]> {
  const size = checkpoints.at(-1)?.size ?? 0;
  const readers = copies.map((copy) => new LeafReader(copy, size));
  const walk = new RootWalk(copies.length, checkpoints);
  for (let at = 0; at < size; at += readingPart) {
    const count = Math.min(readingPart, size - at);
    walk.take(await Promise.all(readers.map((reader) => reader.next(count))), count);
    onProgress((at + count) / size);
  }
  const standings: CopyStanding[] = [];
  for (const [i, copy] of copies.entries()) {
    const reader = readers[i];
    let beyond = 0;
    for (let part = await reader?.next(readingPart); part && part.length > 0; ) {
      beyond += part.length;
      part = await reader?.next(readingPart);
    }
    const { leaves, broken, isClean } = walk.standing(i);
    standings.push({ copy, leaves: leaves + beyond, broken, isClean, brokeOff: reader?.brokeOff });
  }
  return standings;
}

interface Walker {
  /** Its own tree from the first leaf on that is not the first copy's; `undefined` as long as it shares that tree. */
  tree: CompactTree | undefined;
  leaves: number;
  soundTo: number;
  broken: readonly [number, number] | undefined;
  isClean: boolean;
}

class RootWalk {
  readonly #walkers: readonly Walker[];
  readonly #checkpoints: readonly TimedCheckpoint[];
  #next = 0;
  #at = 0;

  constructor(count: number, checkpoints: readonly TimedCheckpoint[]) {
    this.#checkpoints = checkpoints;
    this.#walkers = Array.from({ length: count }, (_, i) => ({
      tree: i === 0 ? new CompactTree() : undefined,
      leaves: 0,
      soundTo: 0,
      broken: undefined,
      isClean: true,
    }));
    this.#compareRoots();
  }

  standing(i: number): Pick<CopyStanding, "leaves" | "broken" | "isClean"> {
    const { leaves = 0, broken, isClean = true } = this.#walkers[i] ?? {};
    return { leaves, broken, isClean };
  }

  take(parts: readonly (readonly CopyLeaf[])[], count: number): void {
    for (let i = 0; i < count; i++) {
      this.#part(parts, i);
      this.#walkers.forEach((walker, copy) => {
        const leaf = parts[copy]?.[i];
        if (leaf !== undefined) walker.leaves += 1;
        if (leaf === undefined || leaf.index !== this.#at || leaf.fault !== undefined) walker.isClean = false;
        if (walker.tree === undefined) return;
        const hash = hashFromHex(leaf?.hash ?? "");
        // Without a leaf the tree stays behind, and gives none of the roots to come.
        if (hash !== undefined && walker.tree.size === this.#at) walker.tree.append(hash);
      });
      this.#at += 1;
      this.#compareRoots();
    }
  }

  /** Gives a copy its own tree at the first leaf in which it differs from the first one. */
  #part(parts: readonly (readonly CopyLeaf[])[], i: number): void {
    const shared = this.#walkers[0]?.tree;
    this.#walkers.forEach((walker, copy) => {
      if (parts[copy]?.[i]?.hash === parts[0]?.[i]?.hash) return;
      for (const one of this.#walkers) one.isClean = false;
      walker.tree ??= shared?.clone();
    });
  }

  #compareRoots(): void {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#next];
      if (checkpoint?.size !== this.#at) return;
      this.#next += 1;
      const shared = this.#gives(this.#walkers[0]?.tree, checkpoint);
      for (const walker of this.#walkers) {
        if (walker.broken !== undefined) continue;
        const gives = walker.tree === undefined ? shared : this.#gives(walker.tree, checkpoint);
        if (gives) walker.soundTo = checkpoint.size;
        else walker.broken = [walker.soundTo, checkpoint.size];
      }
    }
  }

  #gives(tree: CompactTree | undefined, checkpoint: TimedCheckpoint): boolean {
    return tree?.size === checkpoint.size && sameHash(tree.root(), checkpoint.root);
  }
}
