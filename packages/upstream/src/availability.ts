import { isPortolanError, type Logger, messageOf } from "@portolan/kernel";
import type { RuntimeState } from "@portolan/serving/policy";

export interface AvailabilityOptions {
  /** `name/version`, for logs. */
  readonly label: string;
  /**
   * Asks the server. @param isThorough also whether it still serves what was registered
   * @returns why it must not be asked; `undefined` when it may
   * Rejects when it does not answer.
   */
  readonly check: (isThorough: boolean) => Promise<string | undefined>;
  readonly log: Logger;
}

/** While it answers: a restart there is noticed by requests and the circuit breaker before. */
const readyEveryMs = 5000;
/** While it does not. */
const awayEveryMs = 1000;
/** How often what is served is compared with what was registered. */
const thoroughEveryMs = 60_000;
/** Checks in a row that have to fail: one may be lost. */
const failuresToLeave = 2;

/** Whether a server elsewhere may be asked now; found out beside the requests, so that none of them waits for one that is away. */
export class Availability {
  readonly #options: AvailabilityOptions;
  #state: RuntimeState = { kind: "starting" };
  #failures = 0;
  #thoroughMs = Number.NEGATIVE_INFINITY;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: AvailabilityOptions) {
    this.#options = options;
  }

  get state(): RuntimeState {
    return this.#state;
  }

  /** Why the server is not asked now, for callers; `undefined` when it is. */
  get refusal(): string | undefined {
    switch (this.#state.kind) {
      case "ready":
        return undefined;
      case "unavailable":
        return this.#state.detail;
      case "closed":
        return "The model is not loaded.";
      default:
        return "The upstream has not answered yet.";
    }
  }

  /** Resolves after the first check, or after `waitMs`: then the rest happens by itself. */
  async start(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([this.#round(), late]);
    clearTimeout(timer);
  }

  /** A request met something that a check would explain. However many do, the server is asked once a second. */
  lookSoon(): void {
    this.#thoroughMs = Number.NEGATIVE_INFINITY;
    if (!this.#running) this.#schedule(Math.max(0, this.#checkedMs + awayEveryMs - performance.now()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#state = { kind: "closed" };
    await this.#running;
  }

  #round(): Promise<void> {
    this.#running ??= this.#check().finally(() => {
      this.#running = undefined;
      const isSound = this.#state.kind === "ready" && this.#failures === 0;
      this.#schedule(isSound ? readyEveryMs : awayEveryMs);
    });
    return this.#running;
  }

  #schedule(waitMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => void this.#round(), waitMs).unref();
  }

  async #check(): Promise<void> {
    const startMs = performance.now();
    this.#checkedMs = startMs;
    const isThorough = this.#state.kind !== "ready" || startMs - this.#thoroughMs >= thoroughEveryMs;
    try {
      const refusal = await this.#options.check(isThorough);
      const micros = Math.round((performance.now() - startMs) * 1000);
      this.#failures = 0;
      if (isThorough) this.#thoroughMs = startMs;
      if (refusal !== undefined) this.#enter({ kind: "unavailable", detail: refusal });
      else {
        const profile = [{ rows: 1, micros }];
        this.#enter({ kind: "ready", tier: "upstream", warmUpMicros: micros, profile });
      }
    } catch (error) {
      this.#failures++;
      // What the server says is no accident; that it says nothing, or that a file is being exchanged, may be one.
      const isSaid = isPortolanError(error) && error.code !== "upstream.credential_unusable";
      if (!isSaid && this.#state.kind === "ready" && this.#failures < failuresToLeave) return;
      this.#enter({ kind: "unavailable", detail: refusalOf(error) }, reasonOf(error));
    }
  }

  #enter(next: RuntimeState, reason?: string): void {
    if (this.#closed) return;
    const before = this.#state;
    this.#state = next;
    const { label, log } = this.#options;
    const hasChanged =
      before.kind !== next.kind ||
      (before.kind === "unavailable" && next.kind === "unavailable" && before.detail !== next.detail);
    if (!hasChanged) return;
    if (next.kind === "ready") log.info({ model: label }, "upstream.available");
    else if (next.kind === "unavailable")
      log.warn({ model: label, detail: next.detail, reason }, "upstream.unavailable");
  }
}

/** For callers, who are told neither names of credentials nor of models elsewhere. */
function refusalOf(error: unknown): string {
  if (!isPortolanError(error)) return "The upstream does not answer.";
  return error.code === "upstream.credential_unusable"
    ? "The upstream cannot be asked from here now."
    : "The upstream does not serve the registered model.";
}

/** For the log. */
function reasonOf(error: unknown): string {
  if (!isPortolanError(error)) return messageOf(error);
  const why = error.cause === undefined ? "" : ` (${messageOf(error.cause)})`;
  return `${error.detail ?? error.message}${why}`;
}
