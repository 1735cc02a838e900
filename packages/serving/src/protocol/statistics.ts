import type { JsonObject } from "@portolan/kernel";

/** Where the time of one answered inference went, in whole nanoseconds. */
export interface InferenceTiming {
  readonly rows: number;
  /** Rows of the run that it came out of; those of other requests included. */
  readonly batchRows: number;
  /** Absent where nothing is kept; a hit ran nothing. */
  readonly cache?: "hit" | "miss" | undefined;
  readonly totalNs: number;
  readonly queueNs: number;
  readonly inputNs: number;
  readonly inferNs: number;
  readonly outputNs: number;
}

interface Duration {
  count: number;
  ns: number;
}

interface BatchDurations {
  readonly compute_input: Duration;
  readonly compute_infer: Duration;
  readonly compute_output: Duration;
}

const zero = (): Duration => ({ count: 0, ns: 0 });

function add(duration: Duration, ns: number, share = 1): void {
  duration.count += share;
  duration.ns += ns * share;
}

/** Shares of runs add up to whole ones but for rounding. */
function whole({ count, ns }: Duration): { count: number; ns: number } {
  return { count: Math.round(count), ns: Math.round(ns) };
}

/** Batch sizes that are told apart; larger ones share the last. */
const mostBatchSizes = 256;

/**
 * Counters of one model version since the gateway started, in the form of the statistics extension. Sums of
 * nanoseconds stay exact in a double for 104 days of pure computing.
 */
export class ModelStatistics {
  #lastInferenceMs = 0;
  #rows = 0;
  #executions = 0;
  readonly #success = zero();
  readonly #fail = zero();
  readonly #queue = zero();
  readonly #hit = zero();
  readonly #miss = zero();
  readonly #input = zero();
  readonly #infer = zero();
  readonly #output = zero();
  readonly #batches = new Map<number, BatchDurations>();

  succeeded(timing: InferenceTiming, nowMs: number): void {
    this.#lastInferenceMs = nowMs;
    add(this.#success, timing.totalNs);
    if (timing.cache !== undefined) add(timing.cache === "hit" ? this.#hit : this.#miss, timing.totalNs);
    // Neither count includes what came out of the cache.
    if (timing.cache === "hit") return;
    // A run's requests make up one execution together.
    const share = timing.rows / timing.batchRows;
    this.#rows += timing.rows;
    this.#executions += share;
    add(this.#queue, timing.queueNs);
    add(this.#input, timing.inputNs);
    add(this.#infer, timing.inferNs);
    add(this.#output, timing.outputNs);
    const batch = this.#batch(timing.batchRows);
    add(batch.compute_input, timing.inputNs, share);
    add(batch.compute_infer, timing.inferNs, share);
    add(batch.compute_output, timing.outputNs, share);
  }

  failed(totalNs: number): void {
    add(this.#fail, totalNs);
  }

  /** One entry of `model_stats`. Every leaf is there: some clients read them unchecked. */
  describe(name: string, version: string): JsonObject {
    return {
      name,
      version,
      last_inference: this.#lastInferenceMs,
      inference_count: this.#rows,
      execution_count: Math.round(this.#executions),
      inference_stats: {
        success: { ...this.#success },
        fail: { ...this.#fail },
        queue: { ...this.#queue },
        compute_input: { ...this.#input },
        compute_infer: { ...this.#infer },
        compute_output: { ...this.#output },
        cache_hit: { ...this.#hit },
        cache_miss: { ...this.#miss },
      },
      batch_stats: [...this.#batches]
        .sort(([left], [right]) => left - right)
        .map(([size, { compute_input, compute_infer, compute_output }]) => ({
          batch_size: size,
          compute_input: whole(compute_input),
          compute_infer: whole(compute_infer),
          compute_output: whole(compute_output),
        })),
      memory_usage: [],
      response_stats: {},
    };
  }

  #batch(rows: number): BatchDurations {
    const size = this.#batches.has(rows) || this.#batches.size < mostBatchSizes ? rows : mostBatchSizes;
    const known = this.#batches.get(size);
    if (known) return known;
    const fresh = { compute_input: zero(), compute_infer: zero(), compute_output: zero() };
    this.#batches.set(size, fresh);
    return fresh;
  }
}
