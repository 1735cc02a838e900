/** Share of requests that may be tried again; more would make an overload worse. */
const share = 0.2;
/** Retries that are always allowed within `windowMs`, so that a quiet endpoint may retry at all. */
const minimum = 3;
const windowMs = 10_000;

/** How many requests of one endpoint may be tried a second time. */
export class RetryBudget {
  #tokens = minimum;
  #refilledMs = 0;

  /** Called once for every request. */
  earn(): void {
    if (this.#tokens < 100) this.#tokens += share;
  }

  /** Takes one retry out of the budget; false when it is used up. */
  spend(nowMs: number): boolean {
    if (nowMs - this.#refilledMs >= windowMs) {
      this.#refilledMs = nowMs;
      this.#tokens = Math.max(this.#tokens, minimum);
    }
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
