import { type FileHandle, open } from "node:fs/promises";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { maxFrameBytes } from "../format/limits.ts";
import type { LogKeys } from "../format/log-keys.ts";
import { corrupt } from "../format/payload-codec.ts";
import type { WrappedKey } from "../format/sealing.ts";
import { type ArchiveRow, columnData } from "./archive-columns.ts";
import { type ArchiveKey, keyMetadata, openTails, rowGroupSize, wrappedKeyOf } from "./archive-sealing.ts";

/** A lookup decodes the pages that its rows lie in, not the row group. */
const pageSize = 128 * 1024;

export function encodeArchive(rows: readonly ArchiveRow[], key?: ArchiveKey): Uint8Array {
  const bytes = parquetWriteBuffer({
    columnData: columnData(rows, key),
    kvMetadata: key === undefined ? [] : [{ key: keyMetadata, value: JSON.stringify(key.wrapped) }],
    codec: "ZSTD",
    compressors: { ZSTD: (input) => zstdCompressSync(input) },
    rowGroupSize,
    pageSize,
    createdBy: "portolan",
  });
  return new Uint8Array(bytes);
}

export type ArchivedValues = Readonly<Record<string, unknown>>;

/** An open archive; its footer is read once. */
export class ArchiveFile {
  readonly #handle: FileHandle;
  readonly #buffer: AsyncBuffer;
  readonly #metadata: FileMetaData;
  readonly #wrapped: WrappedKey | undefined;
  /** Of a sealed archive; absent when it cannot be had any more: then its payloads are erased. */
  readonly key: ArchiveKey | undefined;

  private constructor(handle: FileHandle, buffer: AsyncBuffer, metadata: FileMetaData, keys?: LogKeys) {
    this.#handle = handle;
    this.#buffer = buffer;
    this.#metadata = metadata;
    const text = metadata.key_value_metadata?.find((entry) => entry.key === keyMetadata)?.value;
    this.#wrapped = text === undefined ? undefined : wrappedKeyOf(text);
    const key = this.#wrapped && keys?.unwrap(this.#wrapped);
    this.key = this.#wrapped && key ? { key, wrapped: this.#wrapped } : undefined;
  }

  /** @throws PortolanError `predictions.corrupt` when the file is no Parquet; what `open` throws */
  static async open(path: string, keys?: LogKeys): Promise<ArchiveFile> {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      const buffer: AsyncBuffer = {
        byteLength: size,
        slice: (start, end) => readRange(handle, start, end ?? size),
      };
      return new ArchiveFile(handle, buffer, await understood(() => parquetMetadataAsync(buffer)), keys);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get rows(): number {
    return Number(this.#metadata.num_rows);
  }

  /** Whether its payloads are gone for good with the key that sealed them. */
  get isShredded(): boolean {
    return this.#wrapped !== undefined && this.key === undefined;
  }

  /** Rows with all that entries are made of; where the key is gone they say that they are erased. */
  async readEntries(
    columns: readonly string[],
    start: number,
    count: number,
  ): Promise<readonly ArchivedValues[]> {
    if (this.#wrapped === undefined) return this.read([...columns, "tail"], start, count);
    const rows = await this.read([...columns, "commitment"], start, count);
    const { key } = this;
    if (!key)
      return rows.map((row) => ({ ...row, withheld: row["withheld"] ?? "erased", tail: row["commitment"] }));
    const tails: Buffer[] = [];
    for (let at = start; at < start + count; ) {
      const group = Math.floor(at / rowGroupSize);
      const [first] = await this.read(["sealed_tails"], group * rowGroupSize, 1);
      const sealed = first?.["sealed_tails"];
      if (!(sealed instanceof Uint8Array)) throw corrupt("an archive's payloads are missing");
      const inGroup = openTails(key, group, Buffer.from(sealed));
      const from = at - group * rowGroupSize;
      const taken = inGroup.slice(from, from + start + count - at);
      if (taken.length === 0) throw corrupt("an archive holds fewer payloads than records");
      tails.push(...taken);
      at += taken.length;
    }
    return rows.map((row, i) => ({ ...row, tail: tails[i] }));
  }

  /** Rows from `start` on, of these columns. */
  async read(columns: readonly string[], start: number, count: number): Promise<readonly ArchivedValues[]> {
    if (start < 0 || count < 0 || start + count > this.rows)
      throw corrupt("an archive is shorter than its index says");
    return understood(() =>
      parquetReadObjects({
        file: this.#buffer,
        metadata: this.#metadata,
        columns: [...columns],
        rowStart: start,
        rowEnd: start + count,
        utf8: false,
        useOffsetIndex: true,
        compressors: { ZSTD: decompress },
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function readRange(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = Buffer.alloc(Math.max(0, end - start));
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw corrupt("an archive is cut off");
    done += bytesRead;
  }
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

function decompress(input: Uint8Array, length: number): Uint8Array {
  if (length > rowGroupSize * maxFrameBytes) throw corrupt("an archive's page is too long");
  return zstdDecompressSync(input, { maxOutputLength: Math.max(length, 1) });
}

/** Whatever the reader of the format says of bytes that are not as they should be. */
async function understood<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw corrupt("an archive is damaged", cause);
  }
}
