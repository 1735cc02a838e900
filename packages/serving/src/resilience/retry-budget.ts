/** Share of requests that may be tried again; more would make an overload worse. */
const defaultShare = 0.2;
/** Retries that are always allowed within `windowMs`, so that a quiet endpoint may retry at all. */
const minimum = 3;
const windowMs = 10_000;

/** How many requests of one endpoint may be tried a second time. */
export class RetryBudget {
  readonly #share: number;
  #tokens: number;
  #refilledMs = 0;

  /** @param share of the requests, 0 to 1; 0: none is ever tried again */
  constructor(share: number = defaultShare) {
    this.#share = share;
    this.#tokens = share === 0 ? 0 : minimum;
  }

  /** Called once for every request. */
  earn(): void {
    if (this.#tokens < 100) this.#tokens += this.#share;
  }

  /** Takes one retry out of the budget; false when it is used up. */
  spend(nowMs: number): boolean {
    if (this.#share === 0) return false;
    if (nowMs - this.#refilledMs >= windowMs) {
      this.#refilledMs = nowMs;
      this.#tokens = Math.max(this.#tokens, minimum);
    }
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
