import type { ModelRuntime, VerifiedModel } from "@portolan/serving/policy";
import type { Engine } from "./engine.ts";
import { InlineEngine } from "./inline-engine.ts";
import { OnnxModel } from "./onnx-model.ts";
import { RunnerEngine, type RunnerEngineOptions } from "./runner-engine.ts";
import { RunnerFleet } from "./runner-fleet.ts";
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
 * runner, and so do those that make text: what native code makes of it is bounded by no heap but the process's own.
 */
export function createOnnxRuntime(options: OnnxRuntimeOptions): ModelRuntime {
  /** What was tried in a runner and behaved, by digest: loaded again, it need not prove itself again. */
  const proven = new Map<string, "inline" | "worker">();

  async function tierOf(
    model: VerifiedModel,
    runner: RunnerEngine,
  ): Promise<"inline" | "worker" | undefined> {
    const state = runner.state();
    if (model.origin !== "trained" || state.kind !== "ready" || makesText(model)) return undefined;
    await runner.close();
    return state.warmUpMicros <= options.inlineMicros ? "inline" : "worker";
  }

  return {
    async load(model) {
      const startRunner = () => RunnerEngine.start(model, options);
      const startFleet = async () => new RunnerFleet(await startRunner(), startRunner);
      let tier = proven.get(model.digest);
      if (tier === undefined) {
        const runner = await startRunner();
        tier = await tierOf(model, runner);
        if (tier === undefined) return new OnnxModel(new RunnerFleet(runner, startRunner), startFleet);
      }
      const onLate = (): Promise<void> => {
        proven.delete(model.digest);
        return promoted.demote();
      };
      const engine: Engine =
        tier === "inline" ? await InlineEngine.start(model, onLate) : await WorkerEngine.start(model, onLate);
      proven.set(model.digest, tier);
      const promoted = new OnnxModel(engine, startFleet);
      return promoted;
    },
  };
}

function makesText({ signature }: VerifiedModel): boolean {
  return signature.outputs.some(({ datatype }) => datatype === "BYTES");
}
