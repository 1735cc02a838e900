import { constants, createZstdCompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";

const params = { [constants.ZSTD_c_compressionLevel]: 1 };

interface Native {
  writeSync(
    flush: number,
    from: Buffer,
    at: number,
    bytes: number,
    to: Buffer,
    start: number,
    room: number,
  ): void;
}

/**
 * zstd that keeps its working memory. The public one-shot call makes it anew each time, 35 µs and half a megabyte for the collector:
 * for a frame of 30 records as much as the compression itself. Node offers no public call that keeps it, so this one
 * uses the stream's own; it is tried at the start, and where it does not answer as expected the public call stands in.
 */
export class FrameCompressor {
  #native: Native | undefined;
  readonly #left: Uint32Array;
  #out = Buffer.allocUnsafeSlow(64 * 1024);

  constructor() {
    const stream = createZstdCompress({ params });
    const native: unknown = Reflect.get(stream, "_handle");
    const left: unknown = Reflect.get(stream, "_writeState");
    this.#left = left instanceof Uint32Array ? left : new Uint32Array(2);
    this.#native = isNative(native) ? native : undefined;
    if (!this.#proves()) this.#native = undefined;
  }

  get keepsMemory(): boolean {
    return this.#native !== undefined;
  }

  /** The compressed bytes; valid until the next call. */
  compress(raw: Uint8Array): Buffer {
    return this.#kept(raw) ?? zstdCompressSync(raw, { params });
  }

  #kept(raw: Uint8Array): Buffer | undefined {
    if (!this.#native) return undefined;
    const room = raw.length + (raw.length >>> 8) + 1024; // above ZSTD_compressBound: one call is enough
    if (room > this.#out.length) this.#out = Buffer.allocUnsafeSlow(room);
    const from = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
    this.#left.fill(0);
    this.#native.writeSync(constants.ZSTD_e_end, from, 0, from.length, this.#out, 0, this.#out.length);
    const [roomLeft = 0, bytesLeft = 1] = this.#left;
    return bytesLeft === 0 && roomLeft > 0 ? this.#out.subarray(0, this.#out.length - roomLeft) : undefined;
  }

  #proves(): boolean {
    try {
      return [Buffer.alloc(5000, "ab"), Buffer.from("a second frame")].every((probe) => {
        const packed = this.#kept(probe);
        return packed !== undefined && zstdDecompressSync(packed).equals(probe);
      });
    } catch {
      return false;
    }
  }
}

function isNative(value: unknown): value is Native {
  return (
    typeof value === "object" &&
    value !== null &&
    "writeSync" in value &&
    typeof value.writeSync === "function"
  );
}
