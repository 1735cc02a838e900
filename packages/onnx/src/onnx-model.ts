import {
  Batcher,
  type BatchPlan,
  type LoadedModel,
  type ModelUsage,
  planBatches,
  RetryBudget,
  type RunOptions,
  type RunOutcome,
  type RuntimeState,
  type Tensor,
} from "@portolan/serving/policy";
import { type Engine, within } from "./engine.ts";

/** Longest run of a batch by tier, microseconds: inline it holds up the whole gateway, elsewhere only its own callers. */
const longestBatchMicros = { inline: 2000, worker: 25_000, runner: 25_000, upstream: 0 } as const;

/** A model as the gateway has it: an engine that may be exchanged for a safer one, and a batcher before it. */
export class OnnxModel implements LoadedModel {
  readonly #startSafer: () => Promise<Engine>;
  #engine: Engine;
  #batcher: Batcher;
  #demotion: Promise<void> | undefined;
  readonly #retries = new RetryBudget();
  /** Whether the requests of a run that died are tried again: they were one run, and so is the second. */
  readonly #mayRunAgain = new WeakMap<RunOutcome, boolean>();
  #closed = false;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  /** @param startSafer the engine that takes over when this one's runs come late */
  constructor(engine: Engine, startSafer: () => Promise<Engine>) {
    this.#engine = engine;
    this.#batcher = batcherFor(engine);
    this.#startSafer = startSafer;
  }

  state(): RuntimeState {
    return this.#closed ? { kind: "closed" } : this.#engine.state();
  }

  /** Absent where the engine has one lane for ever. */
  get scale(): ((lanes: number) => Promise<void>) | undefined {
    const engine = this.#engine;
    if (!engine.scale) return undefined;
    return async (lanes) => {
      await engine.scale?.(lanes);
      this.#batcher.lanesChanged();
    };
  }

  usage(): ModelUsage {
    const busyMs = this.#batcher.busyMs(performance.now());
    return {
      lanes: this.#engine.lanes(),
      busyMs,
      queuedRows: this.#batcher.queuedRows,
      inFlight: this.#inFlight,
    };
  }

  run(inputs: readonly Tensor[], options: RunOptions): Promise<RunOutcome> {
    if (this.#closed) return Promise.resolve({ kind: "unavailable", detail: "The model is not loaded." });
    this.#inFlight++;
    const startMs = performance.now();
    const { retries = this.#retries } = options;
    retries.earn();
    const batcher = this.#batcher;
    return batcher.run(inputs, options).then((first) => {
      const hasMoved = first.kind === "unavailable" && batcher !== this.#batcher;
      if (hasMoved || (first.kind === "crashed" && !first.byModel))
        return this.#runAgain(inputs, options, startMs, first);
      this.#ended();
      return first;
    });
  }

  #ended(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#idle?.();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#engine.close();
    // An engine that was on its way in goes as well.
    await this.#demotion;
  }

  /**
   * What somebody else killed is tried once more, if the time is enough; what the model brought about is not. What the engine of before
   * had not begun when the model moved is no second try, and costs the budget nothing.
   */
  async #runAgain(
    inputs: readonly Tensor[],
    options: RunOptions,
    startMs: number,
    first: RunOutcome,
  ): Promise<RunOutcome> {
    try {
      const leftMs = (): number => options.timeoutMs - (performance.now() - startMs);
      if (first.kind === "crashed" && !this.#isPaid(first, options)) return first;
      const inTime = await within(this.#engine.recovered(), leftMs());
      if (!inTime || leftMs() < 1 || this.#engine.state().kind !== "ready") return first;
      const { timeoutMs, longestMs = timeoutMs } = options;
      return await this.#batcher.run(inputs, { ...options, longestMs, timeoutMs: Math.floor(leftMs()) });
    } finally {
      this.#ended();
    }
  }

  /** One of those that shared the run takes the second one out of the budget, for all of them. */
  #isPaid(outcome: RunOutcome, { retries = this.#retries }: RunOptions): boolean {
    const known = this.#mayRunAgain.get(outcome);
    if (known !== undefined) return known;
    const isPaid = retries.spend(performance.now());
    this.#mayRunAgain.set(outcome, isPaid);
    return isPaid;
  }

  /** Moves the model to the safer engine; once, however many runs were late. Resolves when it is there, or could not be moved. */
  readonly demote = async (): Promise<void> => {
    if (!this.#closed) await (this.#demotion ??= this.#demote());
  };

  async #demote(): Promise<void> {
    try {
      const safer = await this.#startSafer();
      if (this.#closed) return await safer.close();
      const before = this.#engine;
      // First the new one, then the end of the old one: no request meets neither.
      this.#engine = safer;
      this.#batcher = batcherFor(safer);
      await before.close();
    } catch {
      // The runner did not start: late beats not at all; the next late answer tries again.
      this.#demotion = undefined;
    }
  }
}

function batcherFor(engine: Engine): Batcher {
  return new Batcher(
    (inputs, timeoutMs) => engine.run(inputs, timeoutMs),
    planFor(engine),
    () => engine.lanes(),
  );
}

function planFor(engine: Engine): BatchPlan {
  const state = engine.state();
  return state.kind === "ready"
    ? planBatches(state.profile, longestBatchMicros[state.tier])
    : planBatches([], 0);
}
