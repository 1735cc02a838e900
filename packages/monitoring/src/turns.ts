/** Lets at most so many pieces of work run at a time; the others wait in the order in which they came. */
export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param most whole, at least 1 */
  constructor(most: number) {
    this.#most = most;
  }

  /** Runs the work when it is its turn. Fails as the work does, and gives the turn on in either case. */
  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      // Whoever waits takes the place over, so that nobody who comes now goes first.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
