import { createHash } from "node:crypto";
import type { Tensor } from "../protocol/tensor.ts";

interface Entry {
  readonly outputs: readonly Tensor[];
  readonly bytes: number;
}

/** What an entry costs beside its data: key, objects, list. */
const overheadBytes = 512;

/**
 * Answers of one model version by its exact inputs. The key is the SHA-256 of every input's name, datatype, shape and
 * data, so that two requests share an answer only when the model would have got the very same bytes. Least recently used
 * answers go first; no more than `maxBytes` are kept.
 */
export class ResponseCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): readonly Tensor[] | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    // The youngest place in the order of insertion.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.outputs;
  }

  put(key: string, outputs: readonly Tensor[]): void {
    const bytes = overheadBytes + outputs.reduce((sum, output) => sum + bytesOf(output), 0);
    // One answer must not throw out everything else.
    if (bytes > this.#maxBytes / 4) return;
    this.#remove(key);
    this.#entries.set(key, { outputs: outputs.map(own), bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** @param inputs as the model gets them, features included */
export function cacheKey(inputs: readonly Tensor[]): string {
  const hash = createHash("sha256");
  for (const { name, datatype, shape, data } of inputs) {
    hash.update(JSON.stringify([name, datatype, shape, data.length]));
    if (ArrayBuffer.isView(data)) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    else hash.update(JSON.stringify(data));
  }
  return hash.digest("base64");
}

/** A copy of its own: an output may be a view into a whole batch. */
function own(output: Tensor): Tensor {
  const { data } = output;
  return {
    ...output,
    data: ArrayBuffer.isView(data) ? (data as Float32Array).slice() : [...(data as string[])],
  };
}

function bytesOf({ data }: Tensor): number {
  if (ArrayBuffer.isView(data)) return data.byteLength;
  return (data as readonly string[]).reduce((sum, text) => sum + 2 * text.length + 16, 0);
}
