import type { ModelRuntime } from "@portolan/serving/policy";
import type { Engine } from "./engine.ts";
import { InlineEngine } from "./inline-engine.ts";
import { OnnxModel } from "./onnx-model.ts";
import { RunnerEngine, type RunnerEngineOptions } from "./runner-engine.ts";
import { WorkerEngine } from "./worker-engine.ts";

export interface OnnxRuntimeOptions extends RunnerEngineOptions {
  /** Slowest warm-up, in microseconds, that may run in the gateway's own thread. */
  readonly inlineMicros: number;
}

/** Above a millisecond a model delays every other request on the thread; it gets a thread of its own. */
export const defaultInlineMicros = 1000;

/**
 * Every model starts in a runner, where its warm-up is measured at no risk. A trained model then moves inline when it is
 * fast enough, else into a worker thread; one that later misses its deadline moves back. Imported models stay in their
 * runner.
 */
export function createOnnxRuntime(options: OnnxRuntimeOptions): ModelRuntime {
  return {
    async load(model) {
      const startRunner = () => RunnerEngine.start(model, options);
      const runner = await startRunner();
      const state = runner.state();
      if (model.origin !== "trained" || state.kind !== "ready") return new OnnxModel(runner, startRunner);
      const isFast = state.warmUpMicros <= options.inlineMicros;
      const onLate = (): void => promoted.demote();
      let engine: Engine;
      try {
        engine = isFast ? await InlineEngine.start(model, onLate) : await WorkerEngine.start(model, onLate);
      } finally {
        await runner.close();
      }
      const promoted = new OnnxModel(engine, startRunner);
      return promoted;
    },
  };
}
