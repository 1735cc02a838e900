import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";

export interface FileToWrite {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes whole files so that each is there completely or not at all, also after a power loss: bytes and folder
 * entries are fsynced before this resolves. Readers of a replaced file see the old or the new one. Folders are made.
 */
export async function writeFilesDurably(
  files: readonly FileToWrite[],
  modes: { readonly file: number; readonly folder: number },
): Promise<void> {
  const folders = new Set<string>();
  for (const file of files) {
    const folder = dirname(file.path);
    for (const changed of await makeFolder(folder, modes.folder)) folders.add(changed);
    folders.add(folder);
    const temporary = `${file.path}.tmp`;
    await writeSynced(temporary, "w", modes.file, (handle) => handle.writeFile(file.bytes));
    await rename(temporary, file.path);
  }
  for (const folder of folders) await syncFolder(folder);
}

/**
 * Opens a file, lets `write` fill it and syncs it. With `wx` it must be new. Its name is durable only when its folder is
 * synced too; the caller removes it when this throws.
 */
export async function writeSynced(
  path: string,
  flags: "w" | "wx",
  mode: number,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Whole and durable like `writeFilesDurably`, for one file in a folder that exists, where nothing may run in between. */
export function writeFileDurablySync(path: string, bytes: Uint8Array, mode: number): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, "w", mode);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolderSync(dirname(path));
}

/** Makes the names in a folder durable: a new name or a rename is only on disk once its folder is synced. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function syncFolderSync(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}

/** True for the fault of a path that does not exist. */
export function isMissingFile(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** Makes a folder with its parents; returns the folders whose listings changed. */
async function makeFolder(folder: string, mode: number): Promise<readonly string[]> {
  const first = await mkdir(folder, { recursive: true, mode });
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
