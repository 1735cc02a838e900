import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { Compile } from "@portolan/typebox";
import { corrupt, parseJson } from "../format/payload-codec.ts";
import { openSealed, seal, WrappedKey } from "../format/sealing.ts";

const Key = Compile(WrappedKey);

/** Small enough that one record is found without reading much, large enough that its columns compress. */
export const rowGroupSize = 4096;
/** What one row group may unpack to; an archive holds 128 MiB of payloads, or one block's. */
const maxGroupBytes = 512 * 1024 * 1024;

/** The key of an archive: the key itself, and the form in which the file's metadata names it. */
export interface ArchiveKey {
  readonly key: Buffer;
  readonly wrapped: WrappedKey;
}

/** Name of the entry of a Parquet file's metadata that holds the wrapped key. */
export const keyMetadata = "portolan.key";

/** @throws PortolanError `predictions.corrupt` */
export function wrappedKeyOf(text: string): WrappedKey {
  const value = parseJson(Buffer.from(text), "archive's key");
  if (!Key.Check(value)) throw corrupt("an archive's key does not fit its schema");
  return value;
}

/** The tails of one row group as one sealed text (P23): compressed together, so that sealing costs no space. */
export function sealTails({ key, wrapped }: ArchiveKey, group: number, tails: readonly Buffer[]): Buffer {
  const parts = tails.flatMap((tail) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(tail.length, 0);
    return [length, tail];
  });
  return seal(key, zstdCompressSync(Buffer.concat(parts)), boundTo(wrapped, group));
}

/** @throws PortolanError `predictions.corrupt` */
export function openTails({ key, wrapped }: ArchiveKey, group: number, sealed: Buffer): Buffer[] {
  const packed = openSealed(key, sealed, boundTo(wrapped, group));
  let bytes: Buffer;
  try {
    bytes = zstdDecompressSync(packed, { maxOutputLength: maxGroupBytes });
  } catch (cause) {
    throw corrupt("an archive's payloads do not unpack", cause);
  }
  const tails: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + (at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY);
    if (end > bytes.length) throw corrupt("an archive's payload is cut off");
    tails.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return tails;
}

/** A group that was moved to another place or file does not open. */
function boundTo({ wrapped }: WrappedKey, group: number): Buffer {
  return Buffer.from(`${wrapped}:${group}`);
}
