import { type Logger, PortolanError } from "@portolan/kernel";
import type { ModelReference } from "@portolan/serving/contract";
import type { ServingErrorCode } from "@portolan/serving/policy";
import { describeNeed, leastBytes, type ModelMemory, mebibytes } from "./model-memory.ts";
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
  #isOver = false;
  /** Bytes of models that are being loaded: they are held before they are there. */
  #reservedBytes = 0;
  /** Of loads under way; each resolves when its bytes are held by its model, or by nobody. */
  readonly #loads = new Set<Promise<void>>();

  constructor(models: () => readonly OnDemandModel[], options: MemoryBudgetOptions) {
    this.#models = models;
    this.#options = options;
  }

  get maxBytes(): number {
    return this.#options.maxBytes;
  }

  /** What loaded models take and those that are being loaded will, by what was measured of each or estimated. */
  get heldBytes(): number {
    return this.#models().reduce((sum, model) => sum + model.heldBytes, this.#reservedBytes);
  }

  /** Whether a model could be loaded if it were alone. @param bytes what one copy of it takes */
  fits(bytes: number): boolean {
    return this.maxBytes === 0 || bytes <= this.maxBytes;
  }

  /** @throws PortolanError `serving.model_too_large`, with both figures */
  requireFit(label: string, memory: ModelMemory, origin: ModelReference["origin"]): void {
    if (this.fits(leastBytes(memory, origin))) return;
    throw new PortolanError<ServingErrorCode>("serving.model_too_large", {
      detail: `${label} needs ${describeNeed(memory, origin)} of memory, and the models of this gateway may take ${mebibytes(this.maxBytes)} together.`,
      mend: "Give the gateway a larger MODELS_MEMORY, or deploy a smaller version.",
    });
  }

  /** Copies of a model that fit beside nothing else, at least one. @param copyBytes what each takes */
  mostCopies(copyBytes: number): number {
    if (this.maxBytes === 0 || copyBytes === 0) return Number.POSITIVE_INFINITY;
    return Math.max(1, Math.floor(this.maxBytes / copyBytes));
  }

  /**
   * Loads a model once there is room for it, and holds its bytes from before it is loaded. Where others that are being loaded leave
   * too little, it waits until they are there and may sleep. Where those in use leave too little it is loaded all the same, alone.
   *
   * @param bytes what it takes at least
   * @param load resolves when the model counts by itself
   * @throws what `load` throws; its bytes are free again then
   */
  async loadWithin<T>(bytes: number, load: () => Promise<T>): Promise<T> {
    if (this.maxBytes === 0 || bytes === 0) return load();
    for (;;) {
      await this.#putToSleep(bytes);
      if (this.heldBytes + bytes <= this.maxBytes || this.#loads.size === 0) break;
      await Promise.race(this.#loads);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#loads.add(promise);
    this.#reservedBytes += bytes;
    this.#noteOver();
    try {
      return await load();
    } finally {
      this.#reservedBytes -= bytes;
      this.#loads.delete(promise);
      resolve();
    }
  }

  /** Puts others to sleep while all take more than they may. @param newest does not sleep itself */
  async makeRoom(newest?: OnDemandModel): Promise<void> {
    if (this.maxBytes === 0) return;
    await this.#putToSleep(0, newest);
    this.#noteOver();
  }

  /**
   * Puts to sleep whoever was idle for long enough, by its own scaling or by the process's, and the least recently used while
   * all take more than they may: copies were added, or one was measured. @param nowMs monotonic
   */
  async sleepIdle(nowMs: number): Promise<void> {
    const forAll = this.#options.idleMs === 0 ? Number.POSITIVE_INFINITY : this.#options.idleMs;
    for (const model of this.#sleepers(nowMs)) {
      const { idleMs = Number.POSITIVE_INFINITY } = model.terms;
      if (nowMs - model.lastUsedMs(nowMs) >= Math.min(forAll, idleMs)) await model.sleep();
    }
    await this.makeRoom();
  }

  /** The least recently used first, never one that is in use, until so many bytes more fit. */
  async #putToSleep(bytes: number, newest?: OnDemandModel): Promise<void> {
    for (const model of this.#sleepers(performance.now())) {
      if (this.heldBytes + bytes <= this.maxBytes) return;
      if (model !== newest) await model.sleep();
    }
  }

  #noteOver(): void {
    const { heldBytes, maxBytes } = this;
    const isOver = heldBytes > maxBytes;
    const tooLarge = this.#models().filter((model) => model.heldBytes > 0 && !this.fits(model.leastBytes));
    const models = tooLarge.map(({ label }) => label);
    if (isOver && !this.#isOver)
      this.#options.log.warn({ heldBytes, maxBytes, tooLarge: models }, "gateway.models.over_budget");
    this.#isOver = isOver;
  }

  /** By their last use. One that turned out too large while it serves goes on: it would not be loaded again. */
  #sleepers(nowMs: number): OnDemandModel[] {
    return this.#models()
      .filter(({ heldBytes, leastBytes: least }) => heldBytes > 0 && this.fits(least))
      .toSorted((a, b) => a.lastUsedMs(nowMs) - b.lastUsedMs(nowMs));
  }
}
