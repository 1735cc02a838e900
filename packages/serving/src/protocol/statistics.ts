import type { JsonObject } from "@portolan/kernel";

/** Where the time of one answered inference went, in whole nanoseconds. */
export interface InferenceTiming {
  readonly rows: number;
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

function add(duration: Duration, ns: number): void {
  duration.count++;
  duration.ns += ns;
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
  readonly #input = zero();
  readonly #infer = zero();
  readonly #output = zero();
  readonly #batches = new Map<number, BatchDurations>();

  succeeded(timing: InferenceTiming, nowMs: number): void {
    this.#lastInferenceMs = nowMs;
    this.#rows += timing.rows;
    this.#executions++;
    add(this.#success, timing.totalNs);
    add(this.#queue, timing.queueNs);
    add(this.#input, timing.inputNs);
    add(this.#infer, timing.inferNs);
    add(this.#output, timing.outputNs);
    const batch = this.#batch(timing.rows);
    add(batch.compute_input, timing.inputNs);
    add(batch.compute_infer, timing.inferNs);
    add(batch.compute_output, timing.outputNs);
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
      execution_count: this.#executions,
      inference_stats: {
        success: { ...this.#success },
        fail: { ...this.#fail },
        queue: { ...this.#queue },
        compute_input: { ...this.#input },
        compute_infer: { ...this.#infer },
        compute_output: { ...this.#output },
        cache_hit: zero() as { count: number; ns: number },
        cache_miss: zero() as { count: number; ns: number },
      },
      batch_stats: [...this.#batches]
        .sort(([left], [right]) => left - right)
        .map(([size, { compute_input, compute_infer, compute_output }]) => ({
          batch_size: size,
          compute_input: { ...compute_input },
          compute_infer: { ...compute_infer },
          compute_output: { ...compute_output },
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
