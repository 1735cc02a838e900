/** When a model version is taken to be broken. All times in milliseconds. */
export interface BreakerSettings {
  /** Failures in a row that open the circuit. */
  readonly consecutiveFailures: number;
  /** Share of failures, or of slow answers, within `windowMs` that opens it. */
  readonly failureRate: number;
  /** Answers within `windowMs` below which shares say nothing. */
  readonly minimumAnswers: number;
  readonly windowMs: number;
  /** An answer that took longer is a slow one. */
  readonly slowMs: number;
  /** How long the circuit stays open the first time; doubled each time that a probe fails. */
  readonly openMs: number;
  readonly longestOpenMs: number;
  /** Requests that are let through to find out whether the model works again; all have to succeed. */
  readonly probes: number;
}

/** Values of Envoy's outlier detection where it has one; nobody's for latency, which only a charter can give. */
export const defaultBreaker: BreakerSettings = {
  consecutiveFailures: 5,
  failureRate: 0.5,
  minimumAnswers: 20,
  windowMs: 10_000,
  slowMs: 1000,
  openMs: 1000,
  longestOpenMs: 60_000,
  probes: 3,
};

export type BreakerState = "closed" | "open" | "half_open";
/** Why the circuit opened last. */
export type BreakerReason = "consecutive_failures" | "failure_rate" | "latency" | "probe_failed";

interface Slot {
  second: number;
  answers: number;
  failures: number;
  slow: number;
}

/**
 * A circuit breaker for one model version and runtime. While it is open nobody waits for a model that does not answer: the
 * fallback takes over at once. Pure but for its own memory; the caller brings the clock.
 */
export class CircuitBreaker {
  readonly #settings: BreakerSettings;
  readonly #slots: Slot[];
  #state: BreakerState = "closed";
  #reason: BreakerReason | undefined;
  #consecutive = 0;
  #openUntilMs = 0;
  #openedInRow = 0;
  #probesOut = 0;
  #probesGood = 0;

  constructor(settings: BreakerSettings = defaultBreaker) {
    this.#settings = settings;
    const seconds = Math.max(1, Math.ceil(settings.windowMs / 1000));
    this.#slots = Array.from({ length: seconds }, () => ({ second: -1, answers: 0, failures: 0, slow: 0 }));
  }

  get state(): BreakerState {
    return this.#state;
  }

  get reason(): BreakerReason | undefined {
    return this.#reason;
  }

  /** Whether `admit` would let a request through now. */
  wouldAdmit(nowMs: number): boolean {
    if (this.#state === "closed") return true;
    if (this.#state === "open") return nowMs >= this.#openUntilMs;
    return this.#probesOut + this.#probesGood < this.#settings.probes;
  }

  /** Whether a request may go to the model now. Who was let through has to tell `succeeded` or `failed`. */
  admit(nowMs: number): boolean {
    if (this.#state === "closed") return true;
    if (this.#state === "open") {
      if (nowMs < this.#openUntilMs) return false;
      this.#state = "half_open";
      this.#probesOut = 0;
      this.#probesGood = 0;
    }
    if (this.#probesOut + this.#probesGood >= this.#settings.probes) return false;
    this.#probesOut++;
    return true;
  }

  /** @param tookMs from the request's turn to its answer */
  succeeded(nowMs: number, tookMs: number): void {
    const isSlow = tookMs > this.#settings.slowMs;
    if (this.#state === "half_open") this.#probed(!isSlow, nowMs);
    if (this.#state !== "closed") return;
    this.#consecutive = 0;
    const slot = this.#slot(nowMs);
    slot.answers++;
    if (isSlow) {
      slot.slow++;
      this.#judge(nowMs);
    }
  }

  failed(nowMs: number): void {
    if (this.#state === "half_open") this.#probed(false, nowMs);
    if (this.#state !== "closed") return;
    const slot = this.#slot(nowMs);
    slot.answers++;
    slot.failures++;
    this.#consecutive++;
    if (this.#consecutive >= this.#settings.consecutiveFailures) this.#open("consecutive_failures", nowMs);
    else this.#judge(nowMs);
  }

  /** A request that was let through and ended without saying anything about the model (its caller's fault). */
  abstained(): void {
    if (this.#state === "half_open" && this.#probesOut > 0) this.#probesOut--;
  }

  #probed(isGood: boolean, nowMs: number): void {
    if (!isGood) {
      this.#open("probe_failed", nowMs);
      return;
    }
    this.#probesOut = Math.max(0, this.#probesOut - 1);
    this.#probesGood++;
    if (this.#probesGood < this.#settings.probes) return;
    this.#state = "closed";
    this.#reason = undefined;
    this.#consecutive = 0;
    this.#openedInRow = 0;
    for (const slot of this.#slots) slot.second = -1;
  }

  #judge(nowMs: number): void {
    const { failureRate, minimumAnswers } = this.#settings;
    const oldest = Math.floor(nowMs / 1000) - this.#slots.length;
    let [answers, failures, slow] = [0, 0, 0];
    for (const slot of this.#slots) {
      if (slot.second <= oldest) continue;
      answers += slot.answers;
      failures += slot.failures;
      slow += slot.slow;
    }
    if (answers < minimumAnswers) return;
    if (failures >= failureRate * answers) this.#open("failure_rate", nowMs);
    else if (slow >= failureRate * answers) this.#open("latency", nowMs);
  }

  #open(reason: BreakerReason, nowMs: number): void {
    const { openMs, longestOpenMs } = this.#settings;
    this.#state = "open";
    this.#reason = reason;
    this.#openUntilMs = nowMs + Math.min(openMs * 2 ** this.#openedInRow, longestOpenMs);
    this.#openedInRow = Math.min(this.#openedInRow + 1, 20);
  }

  #slot(nowMs: number): Slot {
    const second = Math.floor(nowMs / 1000);
    const slot = this.#slots[second % this.#slots.length] ?? { second, answers: 0, failures: 0, slow: 0 };
    if (slot.second !== second) {
      slot.second = second;
      slot.answers = 0;
      slot.failures = 0;
      slot.slow = 0;
    }
    return slot;
  }
}
