import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";

export interface FileToWrite {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes whole files so that each is there completely or not at all, also after a power loss: bytes and folder
 * entries are fsynced before this resolves. Readers of a replaced file see the old or the new one.
 */
export async function writeDurably(files: readonly FileToWrite[]): Promise<void> {
  const folders = new Set<string>();
  for (const file of files) {
    const folder = dirname(file.path);
    for (const changed of await makeFolder(folder)) folders.add(changed);
    folders.add(folder);
    const temporary = `${file.path}.tmp`;
    const handle = await open(temporary, "w", 0o644);
    try {
      await handle.writeFile(file.bytes);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file.path);
  }
  for (const folder of folders) await syncFolder(folder);
}

export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** Makes a folder with its parents; returns the folders whose listings changed. */
async function makeFolder(folder: string): Promise<readonly string[]> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return [];
  const top = dirname(first);
  const changed = [top];
  let at = top;
  for (const part of relative(top, folder).split(sep)) {
    at = join(at, part);
    changed.push(at);
  }
  return changed;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
