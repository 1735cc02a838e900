import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isMissingFile } from "@portolan/kernel";
import { copyFile, listFiles } from "./files.ts";
import type { FileInBackup } from "./manifest.ts";

interface Copied {
  readonly file: FileInBackup;
  /** What tells one version of a file from the next: a rename changes the inode, a write the time and the size. */
  readonly version: string;
}

/**
 * Copies a folder that is being written to, in passes: each copies what changed since the one before and forgets
 * what is gone. A first pass while the writer works leaves little for the last, during which it must stand still.
 */
export class FolderCopy {
  readonly #source: string;
  readonly #backup: string;
  readonly #prefix: string;
  readonly #copied = new Map<string, Copied>();

  constructor(source: string, backup: string, prefix: string) {
    this.#source = source;
    this.#backup = backup;
    this.#prefix = prefix;
  }

  /** @throws the signal's reason between two files. */
  async pass(signal?: AbortSignal): Promise<void> {
    const gone = new Set(this.#copied.keys());
    for (const path of await listFiles(this.#source)) {
      signal?.throwIfAborted();
      if (await this.#copy(path)) gone.delete(path);
    }
    for (const path of gone) await this.#forget(path);
  }

  /** What the last pass left in the backup, in order of the paths. */
  files(): readonly FileInBackup[] {
    return [...this.#copied.values()].map(({ file }) => file).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** False when the file went away since the folder was listed. */
  async #copy(path: string): Promise<boolean> {
    const source = join(this.#source, path);
    try {
      const version = await versionOf(source);
      if (this.#copied.get(path)?.version === version) return true;
      await this.#forget(path);
      this.#copied.set(path, {
        version,
        file: await copyFile(source, this.#backup, `${this.#prefix}/${path}`),
      });
      return true;
    } catch (error) {
      if (!isMissingFile(error)) throw error;
      return false;
    }
  }

  async #forget(path: string): Promise<void> {
    this.#copied.delete(path);
    await rm(join(this.#backup, this.#prefix, path), { force: true });
  }
}

async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}
