import { availableParallelism } from "node:os";
import { type Logger, messageOf } from "@portolan/kernel";
import {
  decideScale,
  type LoadedModel,
  noScaleMemory,
  type ScaleMemory,
  type ScaleParameters,
} from "@portolan/serving/policy";

const stepMs = 1000;

const parameters: Omit<ScaleParameters, "maximum"> = {
  minimum: 1,
  targetUtilisation: 0.7,
  queuedRowsPerWorker: 64,
  upPerStep: 2,
  downPerStep: 1,
  stabilisationMs: 60_000,
};

/** @param configured 0 for the processors less one: the gateway's own thread needs one too */
export function mostWorkers(configured: number): number {
  return configured > 0 ? configured : Math.max(1, availableParallelism() - 1);
}

export interface ModelScalerDeps {
  readonly models: () => readonly LoadedModel[];
  readonly maximum: number;
  readonly log: Logger;
}

interface Watched {
  memory: ScaleMemory;
  atMs: number;
  busyMs: number;
  isChanging: boolean;
}

/** Gives each model as many workers as it needs, once a second. */
export class ModelScaler {
  readonly #deps: ModelScalerDeps;
  readonly #watched = new WeakMap<LoadedModel, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: ModelScalerDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#timer = setInterval(() => this.step(performance.now()), stepMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks at every model that can have several workers. @param nowMs monotonic */
  step(nowMs: number): void {
    for (const model of this.#deps.models()) if (model.scale) this.#stepModel(model, nowMs);
  }

  #stepModel(model: LoadedModel, nowMs: number): void {
    const { lanes, busyMs, queuedRows } = model.usage();
    const before = this.#watched.get(model);
    if (!before) {
      this.#watched.set(model, { memory: noScaleMemory, atMs: nowMs, busyMs, isChanging: false });
      return;
    }
    const spanMs = Math.max(1, nowMs - before.atMs);
    const utilisation = Math.min(1, (busyMs - before.busyMs) / (spanMs * lanes));
    before.atMs = nowMs;
    before.busyMs = busyMs;
    if (before.isChanging) return;
    const bounded = { ...parameters, maximum: this.#deps.maximum };
    const seen = { atMs: nowMs, workers: lanes, utilisation, queuedRows };
    const { workers, memory } = decideScale(bounded, before.memory, seen);
    before.memory = memory;
    if (workers !== lanes) void this.#change(model, before, lanes, workers);
  }

  async #change(model: LoadedModel, watched: Watched, from: number, to: number): Promise<void> {
    watched.isChanging = true;
    try {
      await model.scale?.(to);
      this.#deps.log.info({ from, to }, "gateway.model.scaled");
    } catch (error) {
      this.#deps.log.error({ from, to, reason: messageOf(error) }, "gateway.model.not_scaled");
    } finally {
      watched.isChanging = false;
    }
  }
}
