import { crc32, zstdDecompressSync } from "node:zlib";
import { FrameCompressor } from "./frame-compressor.ts";
import { type FrameSealer, openSealedFrame, sealedOffsetBytes } from "./frame-sealer.ts";
import { maxFrameBytes } from "./limits.ts";
import { corrupt } from "./payload-codec.ts";

/** P3: fixed head of a frame, little-endian. */
export const frameHeadBytes = 32;
const magic = 0x3146_5250; // "PRF1"
const checksumAt = 28;

export const frameKinds = { records: 1, blockEnd: 2, segmentStart: 3, key: 4 } as const;
const codecs = { none: 0, zstd: 1 } as const;
/** Added to the codec: what is stored is sealed. */
const sealedBit = 2;

// Below this, one-shot zstd costs 20-70 µs and saves too little; a handful of requests would pay it alone.
const compressFromBytes = 4096;

export interface FrameHead {
  readonly kind: number;
  readonly epoch: number;
  readonly block: number;
  /** Records in the frame; 0 in frames of other kinds. */
  readonly count: number;
}

export interface Frame extends FrameHead {
  /** Where the frame lies in what was scanned. */
  readonly start: number;
  readonly end: number;
  readonly codec: number;
  readonly rawBytes: number;
  readonly stored: Buffer;
}

/** With a sealer, what is stored is sealed (P23). */
export function encodeFrame(head: FrameHead, raw: Uint8Array, sealer?: FrameSealer): Buffer {
  const packed = raw.length >= compressFromBytes ? compressor().compress(raw) : raw;
  const small = packed.length < raw.length;
  const codec = small ? codecs.zstd : codecs.none;
  const content = small ? packed : raw;
  return sealer
    ? layFrame(head, codec + sealedBit, raw.length, sealer.seal(content))
    : layFrame(head, codec, raw.length, content);
}

function layFrame(head: FrameHead, codec: number, rawBytes: number, stored: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + stored.length);
  frame.writeUInt32LE(magic, 0);
  frame.writeUInt8(head.kind, 4);
  frame.writeUInt8(codec, 5);
  frame.writeUInt16LE(0, 6);
  frame.writeUInt32LE(head.epoch, 8);
  frame.writeUInt32LE(head.block, 12);
  frame.writeUInt32LE(head.count, 16);
  frame.writeUInt32LE(rawBytes, 20);
  frame.writeUInt32LE(stored.length, 24);
  frame.set(stored, frameHeadBytes);
  frame.writeUInt32LE(checksum(frame), checksumAt);
  return frame;
}

/** The frame at `start`, or `undefined` when the bytes there are not a whole, undamaged frame. Never throws. */
export function frameAt(bytes: Buffer, start: number): Frame | undefined {
  if (bytes.length - start < frameHeadBytes || bytes.readUInt32LE(start) !== magic) return undefined;
  const kind = bytes.readUInt8(start + 4);
  const codec = bytes.readUInt8(start + 5);
  const rawBytes = bytes.readUInt32LE(start + 20);
  const storedBytes = bytes.readUInt32LE(start + 24);
  if (rawBytes > maxFrameBytes || storedBytes > rawBytes + sealedOffsetBytes) return undefined;
  const end = start + frameHeadBytes + storedBytes;
  if (end > bytes.length) return undefined;
  const whole = bytes.subarray(start, end);
  if (checksum(whole) !== bytes.readUInt32LE(start + checksumAt)) return undefined;
  return {
    kind,
    codec,
    epoch: bytes.readUInt32LE(start + 8),
    block: bytes.readUInt32LE(start + 12),
    count: bytes.readUInt32LE(start + 16),
    rawBytes,
    stored: whole.subarray(frameHeadBytes),
    start,
    end,
  };
}

/** Whole frames from `start` on; stops before the first byte that does not begin one. */
export function* scanFrames(bytes: Buffer, start = 0): Generator<Frame> {
  let frame = frameAt(bytes, start);
  while (frame) {
    yield frame;
    frame = frameAt(bytes, frame.end);
  }
}

/** What is stored, in the clear, and how it is packed. */
function unsealed(frame: Frame, key: Buffer | undefined): { codec: number; content: Buffer } {
  if ((frame.codec & sealedBit) === 0) return { codec: frame.codec, content: frame.stored };
  if (!key) throw corrupt("a frame is sealed, and the key that opens it is not here");
  return { codec: frame.codec - sealedBit, content: openSealedFrame(key, frame.stored) };
}

/** The same frames in the clear, to be read where their key is not. */
export function unsealFrames(bytes: Buffer, key: Buffer | undefined): Buffer {
  const frames = [...scanFrames(bytes)];
  if (frames.every((frame) => (frame.codec & sealedBit) === 0)) return bytes;
  return Buffer.concat(
    frames.map((frame) => {
      const { codec, content } = unsealed(frame, key);
      return layFrame(frame, codec, frame.rawBytes, content);
    }),
  );
}

/**
 * The frame's content. A bomb is stopped at the length that the checked head declares.
 * @throws PortolanError `predictions.corrupt`, also for a sealed frame without its key
 */
export function openFrame(frame: Frame, key?: Buffer): Buffer {
  const { codec, content } = unsealed(frame, key);
  if (codec === codecs.none) {
    if (content.length !== frame.rawBytes) throw corrupt("a frame's lengths differ");
    return content;
  }
  if (codec !== codecs.zstd) throw corrupt(`frame codec ${frame.codec} is not known`);
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(content, { maxOutputLength: Math.max(frame.rawBytes, 1) });
  } catch (cause) {
    throw corrupt("a frame does not decompress", cause);
  }
  if (raw.length !== frame.rawBytes) throw corrupt("a frame decompresses to another length");
  return raw;
}

let kept: FrameCompressor | undefined;

/** One per thread; made when first needed. */
function compressor(): FrameCompressor {
  kept ??= new FrameCompressor();
  return kept;
}

/** CRC-32 (IEEE) of the head without the checksum, then of the stored bytes. */
function checksum(frame: Buffer): number {
  return crc32(frame.subarray(frameHeadBytes), crc32(frame.subarray(0, checksumAt)));
}
