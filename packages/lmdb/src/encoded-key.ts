import { toBufferKey, writeKey } from "ordered-binary";
import type { Key } from "./stored-values.ts";

/** Reads by keys that are encoded already, which LMDB's binding takes as they are. */
export interface EncodedReader {
  /** Good until the next read. */
  getBinaryFast(key: Key | Uint8Array): Buffer | undefined;
}

/** LMDB takes keys of at most 1,978 bytes; an entity's part has at most 303, and there are sixteen. */
const longestKey = 8192;

/**
 * Keys of the entities of one generation, each put behind the part that all have in common: that is encoded once. The key is good until the next one.
 */
export class EncodedKeys {
  readonly #target = Buffer.alloc(longestKey);
  /** The same bytes, by how many of them are the key. */
  readonly #byLength: Uint8Array[] = [];
  #prefix = 0;

  /** What all keys that follow begin with. */
  begin(place: Key): void {
    this.#prefix = toBufferKey(place).copy(this.#target);
  }

  /** The key with these parts behind the place. */
  of(parts: readonly string[]): Uint8Array {
    let at = this.#prefix;
    for (const part of parts) {
      this.#target[at] = 0;
      at = writeKey(part, this.#target, at + 1, true);
    }
    const known = this.#byLength[at];
    if (known) return known;
    const key = this.#target.subarray(0, at);
    this.#byLength[at] = key;
    return key;
  }
}
