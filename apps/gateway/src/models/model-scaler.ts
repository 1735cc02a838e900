import { availableParallelism } from "node:os";
import { type Logger, messageOf } from "@portolan/kernel";
import {
  decideScale,
  type LoadedModel,
  noScaleMemory,
  type ScaleMemory,
  type ScaleTerms,
} from "@portolan/serving/policy";

const stepMs = 1000;

/** @param configured 0 for the processors less one: the gateway's own thread needs one too */
export function mostWorkers(configured: number): number {
  return configured > 0 ? configured : Math.max(1, availableParallelism() - 1);
}

export type ScaledModel = Pick<LoadedModel, "scale" | "usage"> & { readonly terms: ScaleTerms };

export interface ModelScalerDeps {
  readonly models: () => readonly ScaledModel[];
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
  readonly #watched = new WeakMap<ScaledModel, Watched>();
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

  #stepModel(model: ScaledModel, nowMs: number): void {
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
    const seen = { atMs: nowMs, workers: lanes, utilisation, queuedRows };
    const { workers, memory } = decideScale(model.terms.parameters, before.memory, seen);
    before.memory = memory;
    if (workers !== lanes) void this.#change(model, before, lanes, workers);
  }

  async #change(model: ScaledModel, watched: Watched, from: number, to: number): Promise<void> {
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
