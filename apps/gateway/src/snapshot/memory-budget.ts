import type { Logger } from "@portolan/kernel";
import type { OnDemandModel } from "./on-demand-model.ts";

export interface MemoryBudgetOptions {
  /** Bytes that loaded models may take together; 0: no bound. */
  readonly maxBytes: number;
  /** Milliseconds without a request after which a model is put to sleep; 0: never. */
  readonly idleMs: number;
  readonly log: Logger;
}

/** Puts models to sleep that nobody asks for: when the memory is needed, or after a while. */
export class MemoryBudget {
  readonly #options: MemoryBudgetOptions;
  readonly #models: () => readonly OnDemandModel[];

  constructor(models: () => readonly OnDemandModel[], options: MemoryBudgetOptions) {
    this.#models = models;
    this.#options = options;
  }

  get loadedBytes(): number {
    return this.#models().reduce((sum, model) => sum + (model.isLoaded ? model.bytes : 0), 0);
  }

  /** Makes room after `newest` was loaded: the least recently used sleep first, and never the newest itself. */
  async makeRoomFor(newest: OnDemandModel): Promise<void> {
    const { maxBytes, log } = this.#options;
    if (maxBytes === 0) return;
    for (const model of this.#byUse(performance.now())) {
      if (this.loadedBytes <= maxBytes) return;
      if (model !== newest) await model.sleep();
    }
    const loadedBytes = this.loadedBytes;
    if (loadedBytes > maxBytes) log.warn({ loadedBytes, maxBytes }, "gateway.models.over_budget");
  }

  /** Puts to sleep whoever was idle for long enough, by its own scaling or by the process's. @param nowMs monotonic */
  async sleepIdle(nowMs: number): Promise<void> {
    const forAll = this.#options.idleMs === 0 ? Number.POSITIVE_INFINITY : this.#options.idleMs;
    for (const model of this.#byUse(nowMs)) {
      const { idleMs = Number.POSITIVE_INFINITY } = model.terms;
      if (nowMs - model.lastUsedMs(nowMs) >= Math.min(forAll, idleMs)) await model.sleep();
    }
  }

  #byUse(nowMs: number): OnDemandModel[] {
    return this.#models()
      .filter(({ isLoaded, bytes }) => isLoaded && bytes > 0)
      .toSorted((a, b) => a.lastUsedMs(nowMs) - b.lastUsedMs(nowMs));
  }
}
