/** A lone request at first: what a server bears is found out, not assumed. */
const least = 1;

/**
 * How many requests a batch has at a server at once: one more after as many answers as are allowed at once, half as many when the server
 * is busy or late. Callers wait for their turn in the order in which they came.
 */
export class RequestPace {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #allowed = least;
  #inFlight = 0;
  #answered = 0;

  /** @param most requests at once, however well they go */
  constructor(most: number) {
    this.#most = Math.max(least, most);
  }

  /** Requests that may be under way at once now. */
  get allowed(): number {
    return this.#allowed;
  }

  /** Resolves when it is the caller's turn; who has it must `leave`. */
  async enter(): Promise<void> {
    if (this.#inFlight >= this.#allowed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
  }

  /** @param outcome `answered`: the server kept up; `pressed`: it was busy, late or away; `none`: nothing is said about it */
  leave(outcome: "answered" | "pressed" | "none"): void {
    if (outcome === "pressed") {
      this.#allowed = Math.max(least, Math.floor(this.#allowed / 2));
      this.#answered = 0;
    } else if (outcome === "answered" && ++this.#answered >= this.#allowed) {
      this.#allowed = Math.min(this.#most, this.#allowed + 1);
      this.#answered = 0;
    }
    this.#inFlight--;
    while (this.#inFlight < this.#allowed) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#inFlight++;
      next();
    }
  }
}
