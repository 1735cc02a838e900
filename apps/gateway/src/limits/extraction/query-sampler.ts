import {
  type Bucket,
  packedElements,
  RateLimiter,
  readAnswer,
  readRow,
  rowsOf,
  type Tensor,
} from "@portolan/serving/policy";
import type { SampleBatch } from "./messages.ts";

/** Requests of one client that are looked at in a second; a slow client is seen whole, a fast one in part. */
const perClient = { ratePerSecond: 50, burst: 50 };
/** And of all clients: reading a request's rows takes microseconds of the thread that answers. */
const overall = { ratePerSecond: 500, burst: 500 };
/** Rows of one request that are looked at. */
const rowsPerRequest = 4;
const fullBatch = 128;

interface SampledClient {
  readonly bucket: Bucket;
  asked: number;
}

/** Samples the queries of one endpoint and model. A request that is not sampled costs one look-up and one limit. */
export class QuerySampler {
  readonly key: string;
  readonly #limiter = new RateLimiter();
  readonly #overall = this.#limiter.bucket("all", overall);
  readonly #clients = new Map<string, SampledClient>();
  #rows: Float32Array[] = [];
  #names: string[] = [];
  #labels: number[] = [];
  #margins: number[] = [];
  #isTouched = false;

  constructor(key: string) {
    this.key = key;
  }

  /** @returns true when a batch is full */
  add(client: string, inputs: readonly Tensor[], outputs: readonly Tensor[], nowMs: number): boolean {
    const sampled = this.#clientOf(client);
    const rows = rowsOf(inputs[0]?.shape ?? []);
    sampled.asked += rows;
    this.#isTouched = true;
    if (sampled.bucket.take(nowMs) !== 0 || this.#overall.take(nowMs) !== 0) return false;
    const legible = inputs.map(unpacked);
    for (let at = 0; at < Math.min(rows, rowsPerRequest); at++) {
      const row = readRow(legible, at);
      // A request may leave optional parts out; rows of other lengths cannot be compared.
      if (this.#rows[0] && row.length !== this.#rows[0].length) continue;
      const { label, margin } = readAnswer(outputs, at);
      this.#rows.push(row);
      this.#names.push(client);
      this.#labels.push(label);
      this.#margins.push(margin);
    }
    return this.#rows.length >= fullBatch;
  }

  /** Counts what was asked and has no rows to be looked at. */
  count(client: string, queries: number): void {
    this.#clientOf(client).asked += queries;
    this.#isTouched = true;
  }

  /** What was sampled since the last call; `undefined` when nothing was asked. */
  drain(nowMicros: number): SampleBatch | undefined {
    if (!this.#isTouched) return undefined;
    const width = this.#rows[0]?.length ?? 0;
    const rows = new Float32Array(this.#rows.length * width);
    this.#rows.forEach((row, i) => rows.set(row, i * width));
    const asked: [string, number][] = [];
    for (const [client, sampled] of this.#clients) {
      if (sampled.asked === 0) continue;
      asked.push([client, sampled.asked]);
      sampled.asked = 0;
    }
    const batch = {
      key: this.key,
      clients: this.#names,
      rows,
      labels: this.#labels,
      margins: this.#margins,
      asked,
      nowMicros,
    };
    [this.#rows, this.#names, this.#labels, this.#margins] = [[], [], [], []];
    this.#isTouched = false;
    return batch;
  }

  #clientOf(client: string): SampledClient {
    const known = this.#clients.get(client);
    if (known) return known;
    const made = { bucket: this.#limiter.bucket(`c/${client}`, perClient), asked: 0 };
    this.#clients.set(client, made);
    return made;
  }
}

/** Bytes that go elsewhere undecoded are compared as they are: a character each. */
function unpacked(tensor: Tensor): Tensor {
  const packed = packedElements(tensor);
  return packed ? { ...tensor, data: packed.map((bytes) => Buffer.from(bytes).toString("latin1")) } : tensor;
}
