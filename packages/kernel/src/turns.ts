/** Work of which only so much is under way at a time; the rest waits, in the order in which it came. */
export class Turns {
  readonly #atOnce: number;
  readonly #mostWaiting: number;
  readonly #busy: (() => Error) | undefined;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /**
   * @param atOnce whole, at least 1
   * @param bound how many may wait, and what is thrown where so many do already; absent: all wait
   */
  constructor(atOnce: number, bound?: { readonly mostWaiting: number; readonly busy: () => Error }) {
    this.#atOnce = atOnce;
    this.#mostWaiting = bound?.mostWaiting ?? Number.POSITIVE_INFINITY;
    this.#busy = bound?.busy;
  }

  /** Runs the work when it is its turn. Fails as the work does, and gives the turn on in either case. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atOnce) this.#running++;
    else if (this.#busy && this.#waiting.length >= this.#mostWaiting) throw this.#busy();
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
