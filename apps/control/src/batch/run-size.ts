/** Answers in full size until a larger run is tried. */
const firstNeeded = 16;
const mostNeeded = 1024;

/**
 * How many rows a run has where a server may be too slow for as many as agree: half as many when one is late, twice as many after some answers in time.
 * Each time that growing was too much it takes twice as many answers until it is tried again.
 */
export class RunSize {
  readonly #most: number;
  #rows: number;
  #answers = 0;
  #needed = firstNeeded;
  #hasGrown = false;

  /** @param most rows of a run, however well it goes */
  constructor(most: number) {
    this.#most = most;
    this.#rows = most;
  }

  /** Rows that the next run is to have. */
  get rows(): number {
    return this.#rows;
  }

  /** A run of so many rows came in time. */
  answered(rows: number): void {
    if (rows < this.#rows || this.#rows === this.#most) return;
    this.#answers++;
    if (this.#answers < this.#needed) return;
    this.#rows = Math.min(this.#most, this.#rows * 2);
    this.#answers = 0;
    this.#hasGrown = true;
  }

  /** A run of so many rows was late. Of several that were under way together the first counts. */
  late(rows: number): void {
    const half = Math.ceil(rows / 2);
    if (half >= this.#rows) return;
    this.#rows = half;
    this.#answers = 0;
    if (this.#hasGrown) this.#needed = Math.min(mostNeeded, this.#needed * 2);
    this.#hasGrown = false;
  }
}
