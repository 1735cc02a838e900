import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { isMissingFile } from "@portolan/kernel";

export interface FolderUse {
  readonly bytes: number;
  readonly files: number;
}

/** What lies in a folder now, with all below it. Files that go away meanwhile are not counted. */
export async function measureFolder(folder: string): Promise<FolderUse> {
  let bytes = 0;
  let files = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    files += 1;
    try {
      bytes += (await stat(join(entry.parentPath, entry.name))).size;
    } catch (error) {
      if (!isMissingFile(error)) throw error;
    }
  }
  return { bytes, files };
}

/** The limit, but at most half of what is free on the folder's disk: PostgreSQL and the ledger may live there too. */
export async function withinFreeSpace(folder: string, limitBytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.max(1, Math.min(limitBytes, Math.floor((bavail * bsize) / 2)));
}

export interface FolderLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** How often a growing folder is measured: a fast disk takes a gigabyte or two meanwhile. */
const intervalMs = 500;

/** Calls `onExceeded` once when the folder has grown by more than the limits since the start. */
export function watchFolder(
  folder: string,
  before: FolderUse,
  limits: FolderLimits,
  onExceeded: (why: string) => void,
): { readonly check: () => Promise<void>; readonly stop: () => void } {
  let stopped = false;
  const check = async (): Promise<void> => {
    const now = await measureFolder(folder);
    const bytes = now.bytes - before.bytes;
    const files = now.files - before.files;
    if (stopped) return;
    if (files > limits.maxFiles) onExceeded(`it wrote ${files} files, ${limits.maxFiles} are allowed`);
    else if (bytes > limits.maxBytes) onExceeded(`it wrote ${bytes} bytes, ${limits.maxBytes} are allowed`);
  };
  let timer: NodeJS.Timeout;
  const again = (): void => {
    // A stop may come while the folder is measured: then there is no timer to clear yet.
    if (!stopped) timer = setTimeout(() => void check().then(again, again), intervalMs);
  };
  again();
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
  };
  return { check, stop };
}
