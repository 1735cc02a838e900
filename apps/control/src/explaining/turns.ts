/** Work of which only so much is under way at a time; the rest waits, in the order in which it came. */
export class Turns {
  readonly #atOnce: number;
  readonly #mostWaiting: number;
  readonly #busy: () => Error;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param busy what is thrown where too many wait already */
  constructor(atOnce: number, mostWaiting: number, busy: () => Error) {
    this.#atOnce = atOnce;
    this.#mostWaiting = mostWaiting;
    this.#busy = busy;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atOnce) this.#running++;
    else if (this.#waiting.length >= this.#mostWaiting) throw this.#busy();
    // Whoever ends hands its turn on: the count stays.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
