import { type FileHandle, open } from "node:fs/promises";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { type ArchiveRow, columnData } from "./archive-columns.ts";
import { maxFrameBytes } from "./limits.ts";
import { corrupt } from "./payload-codec.ts";

/** Small enough that one record is found without reading much, large enough that its columns compress. */
const rowGroupSize = 4096;
/** A lookup decodes the pages that its rows lie in, not the row group. */
const pageSize = 128 * 1024;

export function encodeArchive(rows: readonly ArchiveRow[]): Uint8Array {
  const bytes = parquetWriteBuffer({
    columnData: columnData(rows),
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

  private constructor(handle: FileHandle, buffer: AsyncBuffer, metadata: FileMetaData) {
    this.#handle = handle;
    this.#buffer = buffer;
    this.#metadata = metadata;
  }

  /** @throws PortolanError `predictions.corrupt` when the file is no Parquet; what `open` throws */
  static async open(path: string): Promise<ArchiveFile> {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      const buffer: AsyncBuffer = {
        byteLength: size,
        slice: (start, end) => readRange(handle, start, end ?? size),
      };
      return new ArchiveFile(handle, buffer, await understood(() => parquetMetadataAsync(buffer)));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get rows(): number {
    return Number(this.#metadata.num_rows);
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
