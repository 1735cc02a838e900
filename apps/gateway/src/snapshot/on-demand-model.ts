import { messageOf } from "@portolan/kernel";
import type { ModelReference } from "@portolan/serving/contract";
import type {
  LoadedModel,
  ModelUsage,
  RunOptions,
  RunOutcome,
  RuntimeState,
  ScaleTerms,
  Tensor,
  TextModel,
} from "@portolan/serving/policy";
import { heldBytes, leastBytes, type ModelMemory } from "./model-memory.ts";

export interface OnDemandOptions {
  readonly label: string;
  readonly origin: ModelReference["origin"];
  /** Until it is measured. */
  readonly memory: ModelMemory;
  /** Until its routes say otherwise. */
  readonly terms: ScaleTerms;
  /** Loads it anew, verified, once there is room. It counts from the moment at which it is handed over. */
  readonly load: (take: (model: LoadedModel) => void) => Promise<void>;
}

/**
 * A model that may leave memory while nobody asks for it. To everybody else it is as ready as when it was measured: the request that
 * finds it asleep waits until it is loaded again, as long as its own time allows.
 */
export class OnDemandModel implements LoadedModel {
  /** `name/version`. */
  readonly label: string;
  readonly origin: ModelReference["origin"];
  /** What one copy of it takes. */
  memory: ModelMemory;
  /** How many workers it may have, and when it may leave memory, by what its routes state. */
  terms: ScaleTerms;
  readonly #load: OnDemandOptions["load"];
  #loaded: LoadedModel | undefined;
  /** While it goes to sleep: its memory is not free yet. */
  #leaving: Promise<void> | undefined;
  #waking: Promise<LoadedModel> | undefined;
  #lastState: RuntimeState;
  /** Requests that wait for it to be loaded. */
  #waiting = 0;
  #closed = false;
  #lastUsedMs = performance.now();

  constructor(first: LoadedModel, { label, origin, memory, terms, load }: OnDemandOptions) {
    this.#loaded = first;
    this.#lastState = first.state();
    this.label = label;
    this.origin = origin;
    this.memory = memory;
    this.terms = terms;
    this.#load = load;
  }

  get isLoaded(): boolean {
    return this.#loaded !== undefined || this.#waking !== undefined;
  }

  /**
   * Bytes that it takes now, all its copies together; 0 while it is asleep or being loaded again, which the budget counts, or where
   * another server runs it.
   */
  get heldBytes(): number {
    return this.#loaded || this.#leaving ? heldBytes(this.memory, this.usage().lanes, this.state()) : 0;
  }

  /** Bytes without which it cannot be loaded. */
  get leastBytes(): number {
    return leastBytes(this.memory, this.origin);
  }

  /** Monotonic milliseconds of the last request; now while one is under way. */
  lastUsedMs(nowMs: number): number {
    if (this.#isUsed()) this.#lastUsedMs = nowMs;
    return this.#lastUsedMs;
  }

  state(): RuntimeState {
    if (this.#closed) return { kind: "closed" };
    return this.#loaded?.state() ?? this.#lastState;
  }

  usage(): ModelUsage {
    return this.#loaded?.usage() ?? { lanes: 0, busyMs: 0, queuedRows: 0, inFlight: 0 };
  }

  /** Text models are never asleep: they take no memory here. */
  get text(): TextModel | undefined {
    return this.#loaded?.text;
  }

  get scale(): ((lanes: number) => Promise<void>) | undefined {
    return this.#loaded?.scale;
  }

  run(inputs: readonly Tensor[], options: RunOptions): Promise<RunOutcome> {
    if (this.#closed) return Promise.resolve({ kind: "unavailable", detail: "The model is not loaded." });
    this.#lastUsedMs = performance.now();
    // Not awaited where it is loaded: between a route's choice and the model's queue nothing may wait.
    return this.#loaded ? this.#loaded.run(inputs, options) : this.#runAwakened(inputs, options);
  }

  /** Gives its memory back, unless somebody is using it. Resolves once it is free, to whether it did. */
  async sleep(): Promise<boolean> {
    if (this.#leaving) {
      await this.#leaving;
      return true;
    }
    const model = this.#loaded;
    if (!model || this.#isUsed() || this.#closed) return false;
    const state = model.state();
    // One that is starting, paused or quarantined has something to tell; it is not put away.
    if (state.kind !== "ready") return false;
    this.#lastState = state;
    this.#loaded = undefined;
    this.#leaving = model.close().finally(() => {
      this.#leaving = undefined;
    });
    await this.#leaving;
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const waking = await this.#waking?.catch(() => undefined);
    await (this.#loaded ?? waking)?.close();
  }

  #isUsed(): boolean {
    return this.#waiting > 0 || (this.#loaded?.usage().inFlight ?? 0) > 0;
  }

  async #runAwakened(inputs: readonly Tensor[], options: RunOptions): Promise<RunOutcome> {
    const startMs = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), options.timeoutMs);
    });
    this.#waiting++;
    try {
      const model = await Promise.race([this.#wake(), late]);
      if (!model) return { kind: "timeout" };
      const { timeoutMs, longestMs = timeoutMs } = options;
      const leftMs = Math.max(1, Math.floor(timeoutMs - (performance.now() - startMs)));
      // The time that loading took is the caller's, not the run's.
      return await model.run(inputs, { ...options, longestMs, timeoutMs: leftMs });
    } catch (error) {
      return { kind: "unavailable", detail: `The model could not be loaded again: ${messageOf(error)}` };
    } finally {
      this.#waiting--;
      clearTimeout(timer);
    }
  }

  /** One load for everybody who waits; it goes on when they give up. */
  #wake(): Promise<LoadedModel> {
    this.#waking ??= this.#loadAgain().finally(() => {
      this.#waking = undefined;
    });
    return this.#waking;
  }

  async #loadAgain(): Promise<LoadedModel> {
    const { promise, resolve } = Promise.withResolvers<LoadedModel>();
    await this.#load((model) => {
      this.#loaded = model;
      resolve(model);
    });
    return promise;
  }
}
