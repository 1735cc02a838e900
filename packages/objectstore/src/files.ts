import { createReadStream } from "node:fs";
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

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
