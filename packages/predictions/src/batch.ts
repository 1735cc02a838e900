import type { PortolanError } from "@portolan/kernel";
import type { Durability, PredictionId } from "./contract.ts";

interface Waiter {
  readonly id: PredictionId;
  resolve(id: PredictionId): void;
  reject(error: unknown): void;
}

const firstBytes = 64 * 1024;
const pooledBytes = 2 * 1024 * 1024;
const pooledBuffers = 8;

/** A frame being filled: entries side by side, and who waits for them. */
export class Batch {
  readonly number: number;
  readonly durability: Durability;
  readonly waiters: Waiter[] = [];
  length = 0;
  #buffer: Buffer<ArrayBuffer>;

  constructor(number: number, durability: Durability, buffer: Buffer<ArrayBuffer>) {
    this.number = number;
    this.durability = durability;
    this.#buffer = buffer;
  }

  /** The buffer, grown so that `bytes` more fit. */
  reserve(bytes: number): Buffer {
    const needed = this.length + bytes;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.length);
      this.#buffer = larger;
    }
    return this.#buffer;
  }

  /** The memory itself, to be transferred; the batch is not written any more. */
  detach(): ArrayBuffer {
    return this.#buffer.buffer;
  }

  settle(error?: PortolanError): void {
    for (const waiter of this.waiters) {
      if (error) waiter.reject(error);
      else waiter.resolve(waiter.id);
    }
  }
}

/** Reuses the buffers that come back from the log thread. */
export class BatchPool {
  readonly #free: ArrayBuffer[] = [];

  take(number: number, durability: Durability): Batch {
    const free = this.#free.pop();
    return new Batch(number, durability, free ? Buffer.from(free) : Buffer.allocUnsafeSlow(firstBytes));
  }

  give(buffer: ArrayBuffer): void {
    if (this.#free.length < pooledBuffers && buffer.byteLength <= pooledBytes) this.#free.push(buffer);
  }
}
