import type { PortolanError } from "@portolan/kernel";
import type { Durability } from "../contract.ts";
import { writeContextHead } from "./entry-packer.ts";
import { contextHeadBytes } from "./record-codec.ts";
import { type EncodedContext, type PreparedRecord, writeEntry } from "./record-encoder.ts";

const firstBytes = 64 * 1024;
const pooledBytes = 2 * 1024 * 1024;
const pooledBuffers = 8;

/** A frame being filled: entries side by side, and the promise that all their callers share. */
export class Batch {
  readonly number: number;
  readonly durability: Durability;
  /** Settles with the frame. */
  readonly written: Promise<void>;
  readonly #settled: PromiseWithResolvers<void>;
  readonly #contexts = new Map<EncodedContext, number>();
  count = 0;
  length = 0;
  /** Whether one of its records holds personal values. */
  isPersonal = false;
  #buffer: Buffer<ArrayBuffer>;

  constructor(number: number, durability: Durability, buffer: Buffer<ArrayBuffer>) {
    this.number = number;
    this.durability = durability;
    this.#buffer = buffer;
    this.#settled = Promise.withResolvers();
    this.written = this.#settled.promise;
    this.written.catch(() => {}); // a record whose caller is gone may fail alone
  }

  /** Lays the record into the frame, before it its context when it is the first of it. Returns the bytes that the frame grew by. */
  add(index: number, record: PreparedRecord): number {
    const { context, entryBytes } = record;
    const before = this.length;
    let number = this.#contexts.get(context);
    const target = this.#reserve(
      entryBytes + (number === undefined ? contextHeadBytes + context.json.length : 0),
    );
    if (number === undefined) {
      number = this.#contexts.size;
      this.#contexts.set(context, number);
      const at = writeContextHead(target, this.length, number, context.json.length);
      this.length = at + target.write(context.json, at, context.json.length, "latin1");
    }
    this.length = writeEntry(target, this.length, index, number, record);
    this.count += 1;
    return this.length - before;
  }

  /** The buffer, grown so that `bytes` more fit. */
  #reserve(bytes: number): Buffer {
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
    if (error) this.#settled.reject(error);
    else this.#settled.resolve();
  }
}

/** Reuses the buffers that come back from the log thread. */
export class BatchPool {
  readonly #free: ArrayBuffer[] = [];

  take(number: number, durability: Durability): Batch {
    const free = this.#free.pop();
    return new Batch(number, durability, free ? Buffer.from(free) : Buffer.allocUnsafeSlow(firstBytes));
  }

  give(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers)
      if (this.#free.length < pooledBuffers && buffer.byteLength <= pooledBytes) this.#free.push(buffer);
  }
}
