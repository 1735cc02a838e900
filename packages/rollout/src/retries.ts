import { addMicros, type EpochMicros, microsPerSecond } from "@portolan/kernel";

const longestSeconds = 30;

interface Failed {
  readonly times: number;
  readonly at: EpochMicros;
}

/** When what failed is tried again: after 1, 2, 4, … at most 30 seconds. What a charter refuses leaves a ledger row at each try. */
export class Retries {
  readonly #failed = new Map<string, Failed>();

  isDue(key: string, now: EpochMicros): boolean {
    const failed = this.#failed.get(key);
    if (!failed) return true;
    const waits = Math.min(longestSeconds, 2 ** (failed.times - 1)) * microsPerSecond;
    // A clock that was set back must not keep it from being tried.
    return now >= addMicros(failed.at, waits) || now < failed.at;
  }

  failed(key: string, now: EpochMicros): void {
    this.#failed.set(key, { times: (this.#failed.get(key)?.times ?? 0) + 1, at: now });
  }

  succeeded(key: string): void {
    this.#failed.delete(key);
  }
}
