import type {
  LoadedModel,
  ModelRuntime,
  RunOutcome,
  RuntimeState,
  Tensor,
  VerifiedModel,
} from "@portolan/serving/policy";
import { InlineModel } from "./inline-model.ts";
import { RunnerModel, type RunnerModelOptions } from "./runner-model.ts";

export interface OnnxRuntimeOptions extends RunnerModelOptions {
  /** Slowest warm-up, in microseconds, that may run in the gateway's own thread. */
  readonly inlineMicros: number;
}

/** Above a millisecond a model delays every other request on the thread; it stays in its own process. */
export const defaultInlineMicros = 1000;

/**
 * Every model starts in a runner, where its warm-up is measured at no risk. A trained model that is fast enough then
 * moves inline; one that later misses its deadline moves back. Imported models stay in their runner.
 */
export function createOnnxRuntime(options: OnnxRuntimeOptions): ModelRuntime {
  return {
    async load(model) {
      const runner = await RunnerModel.start(model, options);
      const state = runner.state();
      const isFast = state.kind === "ready" && state.warmUpMicros <= options.inlineMicros;
      return model.origin === "trained" && isFast ? TieredModel.promote(model, runner, options) : runner;
    },
  };
}

/** A model that runs inline while it deserves it. */
class TieredModel implements LoadedModel {
  readonly #model: VerifiedModel;
  readonly #options: OnnxRuntimeOptions;
  #active: LoadedModel;
  #demotion: Promise<void> | undefined;
  #closed = false;

  private constructor(model: VerifiedModel, active: LoadedModel, options: OnnxRuntimeOptions) {
    this.#model = model;
    this.#active = active;
    this.#options = options;
  }

  static async promote(
    model: VerifiedModel,
    runner: RunnerModel,
    options: OnnxRuntimeOptions,
  ): Promise<TieredModel> {
    const tiered = new TieredModel(model, runner, options);
    try {
      tiered.#active = await InlineModel.start(model, () => tiered.#onLate());
    } finally {
      await runner.close();
    }
    return tiered;
  }

  state(): RuntimeState {
    return this.#active.state();
  }

  run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    return this.#active.run(inputs, timeoutMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#active.close();
    // A runner that was on its way in goes as well.
    await this.#demotion;
  }

  #onLate(): void {
    if (!this.#closed) this.#demotion ??= this.#demote();
  }

  async #demote(): Promise<void> {
    try {
      const runner = await RunnerModel.start(this.#model, this.#options);
      if (this.#closed) return await runner.close();
      const inline = this.#active;
      // First the new one, then the end of the old one: no request meets neither.
      this.#active = runner;
      await inline.close();
    } catch {
      // The runner did not start: inline and late beats not at all; the next late answer tries again.
      this.#demotion = undefined;
    }
  }
}
