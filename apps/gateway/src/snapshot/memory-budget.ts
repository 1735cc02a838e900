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

  constructor(models: () => readonly OnDemandModel[], options: MemoryBudgetOptions) {
    this.#models = models;
    this.#options = options;
  }

  get maxBytes(): number {
    return this.#options.maxBytes;
  }

  /** What loaded models take, by what was measured of each or estimated. */
  get heldBytes(): number {
    return this.#models().reduce((sum, model) => sum + model.heldBytes, 0);
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
   * Makes room for so many bytes more: the least recently used sleep first, and never one that is in use. Models that
   * are loaded at the same time do not see each other's bytes until they are there.
   *
   * @param newest the model that the room is for: it does not sleep itself, and what it holds already is not counted
   */
  async makeRoom(bytes: number, newest?: OnDemandModel): Promise<void> {
    const { maxBytes, log } = this.#options;
    if (maxBytes === 0) return;
    const beside = () => this.heldBytes - (newest?.heldBytes ?? 0);
    for (const model of this.#byUse(performance.now())) {
      if (beside() + bytes <= maxBytes) break;
      if (model !== newest) await model.sleep();
    }
    const heldBytes = beside() + bytes;
    if (heldBytes > maxBytes && !this.#isOver)
      log.warn({ heldBytes, maxBytes }, "gateway.models.over_budget");
    this.#isOver = heldBytes > maxBytes;
  }

  /**
   * Puts to sleep whoever was idle for long enough, by its own scaling or by the process's, and whoever is beyond the
   * budget by now: copies were added, or one was measured. @param nowMs monotonic
   */
  async sleepIdle(nowMs: number): Promise<void> {
    const forAll = this.#options.idleMs === 0 ? Number.POSITIVE_INFINITY : this.#options.idleMs;
    for (const model of this.#byUse(nowMs)) {
      const { idleMs = Number.POSITIVE_INFINITY } = model.terms;
      const isIdle = nowMs - model.lastUsedMs(nowMs) >= Math.min(forAll, idleMs);
      if (isIdle || !this.fits(model.leastBytes)) await model.sleep();
    }
    await this.makeRoom(0);
  }

  #byUse(nowMs: number): OnDemandModel[] {
    return this.#models()
      .filter(({ heldBytes }) => heldBytes > 0)
      .toSorted((a, b) => a.lastUsedMs(nowMs) - b.lastUsedMs(nowMs));
  }
}
