import { type Cipheriv, createCipheriv, createDecipheriv } from "node:crypto";
import { corrupt } from "./payload-codec.ts";

const algorithm = "aes-256-ctr";
const cipherBlockBytes = 16;
/** Where the frame begins in its key's stream, before the sealed bytes. */
export const sealedOffsetBytes = 8;

/**
 * Seals the frames of one file, one after the other, with one stream of one key (P23). A cipher of its own for each frame would
 * cost 50 µs, more than all else that a small frame costs. Counter mode keeps what is sealed secret and no more: that nobody changed it is
 * known from the block's roots, as for frames in the clear.
 */
export class FrameSealer {
  readonly #cipher: Cipheriv;
  #offset = 0n;

  /** The key must be new: two streams of one key would give both away. */
  constructor(key: Buffer) {
    this.#cipher = createCipheriv(algorithm, key, counterAt(0n));
  }

  seal(content: Uint8Array): Buffer {
    const sealed = Buffer.allocUnsafe(sealedOffsetBytes + content.length);
    sealed.writeBigUInt64LE(this.#offset, 0);
    sealed.set(this.#cipher.update(content), sealedOffsetBytes);
    this.#offset += BigInt(content.length);
    return sealed;
  }
}

/** @throws PortolanError `predictions.corrupt` */
export function openSealedFrame(key: Buffer, stored: Buffer): Buffer {
  if (stored.length < sealedOffsetBytes) throw corrupt("a sealed frame is cut off");
  const offset = stored.readBigUInt64LE(0);
  const skipped = Number(offset % BigInt(cipherBlockBytes));
  const decipher = createDecipheriv(algorithm, key, counterAt(offset / BigInt(cipherBlockBytes)));
  decipher.update(Buffer.alloc(skipped));
  return decipher.update(stored.subarray(sealedOffsetBytes));
}

function counterAt(block: bigint): Buffer {
  const counter = Buffer.alloc(cipherBlockBytes);
  counter.writeBigUInt64BE(block, cipherBlockBytes - 8);
  return counter;
}
