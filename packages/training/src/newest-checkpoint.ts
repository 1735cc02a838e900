import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Files and folders that are looked at: a million of them must not hold up the server. */
const mostEntries = 10_000;
const unfinished = /\.(part|tmp)$/;

/**
 * When the newest file of a checkpoint folder came or changed, by the file system's own word (`ctime`, which no program sets).
 * Files that end in `.part` or `.tmp` are being written, and count once they have their name.
 *
 * @returns epoch microseconds; undefined where there is none
 */
export async function newestCheckpoint(folder: string): Promise<number | undefined> {
  let newest: number | undefined;
  const open = [folder];
  for (let seen = 0; open.length > 0 && seen < mostEntries; seen++) {
    const path = open.pop() ?? folder;
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory())
      for (const name of await readdir(path).catch(() => [])) open.push(join(path, name));
    else if (found?.isFile() && !unfinished.test(path))
      newest = Math.max(newest ?? 0, Math.floor(found.ctimeMs * 1000));
  }
  return newest;
}
