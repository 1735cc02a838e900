import { createHash, randomBytes } from "node:crypto";
import { link, mkdir, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  type Clock,
  type Digest,
  digestBytes,
  digestFromHex,
  digestHex,
  messageOf,
  type ObjectStore,
  PortolanError,
  syncFolder,
  writeSynced,
} from "@portolan/kernel";
import { readFileChunks, removeOlderThan } from "./files.ts";

/** A temporary file this old belongs to a process that died while writing it. */
const staleMs = 3_600_000;

export interface FolderObjectStore extends ObjectStore {
  /** Every stored digest, folder by folder; for backups and audits. */
  list(): AsyncIterable<Digest>;
}

/**
 * A content-addressed folder: `<folder>/ab/cd/<64 hex digits>`, read-only files, each complete and synced before
 * it gets its name. An object is never overwritten, and its bytes are compared with its address when read.
 *
 * @throws PortolanError `objectstore.not_writable` when the folder cannot be made.
 */
export async function openFolderObjectStore(folder: string, clock: Clock): Promise<FolderObjectStore> {
  const incoming = join(folder, "incoming");
  try {
    await mkdir(incoming, { recursive: true, mode: 0o755 });
    await removeOlderThan(incoming, clock.now() / 1000 - staleMs);
  } catch (error) {
    throw storageFault(error, folder);
  }
  const pathOf = (digest: Digest): string => {
    const hex = digestHex(digest);
    return join(folder, hex.slice(0, 2), hex.slice(2, 4), hex);
  };
  const store = new IncomingFiles(folder, incoming, pathOf);
  return {
    put: (bytes) => store.put(bytes),
    putStream: (source, maxBytes) => store.putStream(source, maxBytes),
    putFile: (path) => store.putStream(readFileChunks(path), Number.POSITIVE_INFINITY),
    has: (digest) => exists(pathOf(digest)),
    get: async (digest) => {
      const bytes = await readFile(pathOf(digest)).catch((error: unknown) => {
        throw readFault(error, digest);
      });
      if (digestBytes(bytes) !== digest) throw corrupt(digest);
      return bytes;
    },
    localPath: async (digest) => {
      const path = pathOf(digest);
      if ((await digestOfFile(path, digest)) !== digest) throw corrupt(digest);
      return path;
    },
    remove: (digest) => removeFile(pathOf(digest), folder),
    list: () => listDigests(folder),
  };
}

class IncomingFiles {
  readonly #folder: string;
  readonly #incoming: string;
  readonly #pathOf: (digest: Digest) => string;

  constructor(folder: string, incoming: string, pathOf: (digest: Digest) => string) {
    this.#folder = folder;
    this.#incoming = incoming;
    this.#pathOf = pathOf;
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestBytes(bytes);
    if (await this.#isStored(digest, bytes.length)) return digest;
    await this.#receive(async (temporary) => {
      await writeSynced(temporary, "wx", 0o444, (file) => file.writeFile(bytes));
      return digest;
    });
    return digest;
  }

  async putStream(
    source: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<{ readonly digest: Digest; readonly sizeBytes: number }> {
    let sizeBytes = 0;
    const digest = await this.#receive(async (temporary) => {
      const hash = createHash("sha256");
      await writeSynced(temporary, "wx", 0o444, async (file) => {
        for await (const chunk of source) {
          sizeBytes += chunk.length;
          if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
          hash.update(chunk);
          await file.appendFile(chunk);
        }
      });
      return `sha256:${hash.digest("hex")}` as Digest;
    });
    return { digest, sizeBytes };
  }

  /** Fills a temporary file, then gives it its final name; whatever happens, the temporary name is gone after. */
  async #receive(fill: (temporary: string) => Promise<Digest>): Promise<Digest> {
    const temporary = join(this.#incoming, `${process.pid}-${randomBytes(8).toString("hex")}`);
    try {
      const digest = await fill(temporary);
      await this.#settle(temporary, digest);
      return digest;
    } catch (error) {
      throw storageFault(error, this.#folder);
    } finally {
      await unlink(temporary).catch(() => undefined);
    }
  }

  /** `link` fails where `rename` would overwrite: the first complete file of a digest stays. */
  async #settle(temporary: string, digest: Digest): Promise<void> {
    const path = this.#pathOf(digest);
    const inner = join(path, "..");
    const outer = join(inner, "..");
    await mkdir(inner, { recursive: true, mode: 0o755 });
    try {
      await link(temporary, path);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      if ((await digestOfFile(path, digest)) === digest) return;
      throw corrupt(digest);
    }
    await syncFolder(inner);
    await syncFolder(outer);
    await syncFolder(this.#folder);
  }

  async #isStored(digest: Digest, sizeBytes: number): Promise<boolean> {
    const status = await stat(this.#pathOf(digest)).catch(() => undefined);
    if (status?.size !== sizeBytes) return false;
    return (await digestOfFile(this.#pathOf(digest), digest)) === digest;
  }
}

async function digestOfFile(path: string, digest: Digest): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of readFileChunks(path)) hash.update(chunk);
  } catch (error) {
    throw readFault(error, digest);
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}

async function* listDigests(folder: string): AsyncIterable<Digest> {
  for (const outer of (await readdir(folder)).filter((name) => /^[0-9a-f]{2}$/.test(name)).toSorted()) {
    for (const inner of (await readdir(join(folder, outer))).toSorted()) {
      for (const name of (await readdir(join(folder, outer, inner))).toSorted()) {
        const digest = digestFromHex(name);
        if (digest !== undefined) yield digest;
      }
    }
  }
}

/** Resolves to whether it was there. Synced: after a power loss it does not come back. */
async function removeFile(path: string, folder: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw storageFault(error, folder);
  }
  await syncFolder(join(path, ".."));
  return true;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function corrupt(digest: Digest): PortolanError {
  return new PortolanError("objectstore.corrupt", {
    detail: `the bytes stored as ${digest} are not those it was made from`,
    mend: "Restore this object from a backup; nothing was served from it.",
  });
}

function tooLarge(maxBytes: number): PortolanError {
  return new PortolanError("objectstore.too_large", {
    detail: `the object exceeds ${maxBytes} bytes`,
    mend: "Send a smaller one; nothing of it was kept.",
  });
}

function readFault(error: unknown, digest: Digest): PortolanError {
  if (codeOf(error) === "ENOENT") {
    return new PortolanError("objectstore.not_found", { detail: `no object ${digest}`, cause: error });
  }
  return new PortolanError("kernel.internal", {
    detail: `reading ${digest}: ${messageOf(error)}`,
    cause: error,
  });
}

function storageFault(error: unknown, folder: string): unknown {
  if (error instanceof PortolanError) return error;
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new PortolanError("objectstore.no_space", {
      detail: `no space left for an object in ${folder}`,
      mend: "Free space on that disk and repeat; nothing half-written was kept.",
      cause: error,
    });
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return new PortolanError("objectstore.not_writable", {
      detail: `${folder} cannot be written: ${messageOf(error)}`,
      mend: "Make the folder writable for this user, or set PORTOLAN_HOME to another one.",
      cause: error,
    });
  }
  return error;
}
