/** Bytes that counts may take in memory until they are written down, over all models. */
export class CountBudget {
  readonly #mostBytes: number;
  readonly #onFilling: () => void;
  #used = 0;
  /** Rows that were not counted, for want of room. */
  uncountedRows = 0;

  /** @param onFilling called with each reservation while more than half is taken: it is time to write down */
  constructor(mostBytes: number, onFilling: () => void) {
    this.#mostBytes = mostBytes;
    this.#onFilling = onFilling;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Takes room, if there is so much. */
  reserve(bytes: number): boolean {
    if (this.#used + bytes > this.#mostBytes) return false;
    this.#used += bytes;
    if (this.#used * 2 > this.#mostBytes) this.#onFilling();
    return true;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}
