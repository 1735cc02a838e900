export interface PassLoopOptions {
  /** One pass over everything that waits. @throws whatever went wrong. */
  readonly pass: () => Promise<void>;
  /** True when the error ends the loop; otherwise the next pass tries again. */
  readonly isFatal: (error: unknown) => boolean;
  readonly pollMs: number;
  readonly lingerMs: number;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs passes one at a time: at once when woken, else every `pollMs`; with a pause of `lingerMs` in between, in
 * which a burst of wake-ups gathers for one pass.
 */
export class PassLoop {
  readonly #options: PassLoopOptions;
  #woken = false;
  #stopping = false;
  #ended: { readonly error: unknown } | undefined;
  #waiters: Waiter[] = [];
  #endPoll: () => void = () => undefined;
  #endLinger: () => void = () => undefined;
  #underWay: Promise<void> = Promise.resolve();
  /** While it is set no pass begins. */
  #paused: Promise<void> | undefined;
  readonly #running: Promise<void>;

  constructor(options: PassLoopOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  wake(): void {
    this.#woken = true;
    this.#endPoll();
  }

  /** Resolves after a pass that began later than this call; rejects when that pass failed or the loop ended. */
  settled(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended.error);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.wake();
      this.#endLinger();
    });
  }

  /** Resolves when no pass is under way, and lets none begin until the result is called. */
  async pause(): Promise<() => void> {
    while (this.#paused !== undefined) await this.#paused;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#paused = promise;
    await this.#underWay;
    return () => {
      if (this.#paused === promise) this.#paused = undefined;
      resolve();
    };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#endPoll();
    this.#endLinger();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping && this.#ended === undefined) {
      // Again and again: a second pause may have begun when the first one ended.
      while (this.#paused !== undefined) await this.#paused;
      this.#underWay = this.#passOnce();
      await this.#underWay;
      await this.#rest();
    }
    this.#ended ??= { error: new Error("the loop was stopped") };
    for (const waiter of this.#waiters) waiter.reject(this.#ended.error);
  }

  async #passOnce(): Promise<void> {
    this.#woken = false;
    const served = this.#waiters;
    this.#waiters = [];
    try {
      await this.#options.pass();
      for (const waiter of served) waiter.resolve();
    } catch (error) {
      for (const waiter of served) waiter.reject(error);
      if (this.#options.isFatal(error)) this.#ended = { error };
    }
  }

  async #rest(): Promise<void> {
    if (this.#ended !== undefined) return;
    const { lingerMs, pollMs } = this.#options;
    if (!this.#stopping && this.#waiters.length === 0) {
      await pause(lingerMs, (end) => {
        this.#endLinger = end;
      });
    }
    if (!this.#stopping && !this.#woken) {
      await pause(pollMs, (end) => {
        this.#endPoll = end;
      });
    }
  }
}

function pause(ms: number, onStart: (end: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    onStart(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
