import { constants, createReadStream } from "node:fs";
import { type FileHandle, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/** Makes the names in a folder durable: a rename is only on disk once its folder is synced. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all bytes to a new file and syncs it; the caller unlinks it when this throws. */
export async function writeDurably(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, "wx", 0o444);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A file's bytes in order, a mebibyte at a time. */
export function readFileChunks(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
}

/** Removes files of a folder that were last written before an instant (milliseconds since 1970). */
export async function removeOlderThan(folder: string, instantMs: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const status = await stat(path).catch(() => undefined);
    if (status === undefined || status.mtimeMs >= instantMs) continue;
    await unlink(path).catch(() => undefined);
    removed += 1;
  }
  return removed;
}
