import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestBytes, digestHex, parseDigest } from "@portolan/kernel";

/** What a gateway keeps to start without control: the last snapshot, its parts, its models. */
export interface DiskCache {
  /** Bytes that match the digest; `undefined` when absent. Damaged files are set aside and count as absent. */
  read(
    digest: string,
  ): Promise<
    { readonly kind: "found"; readonly bytes: Uint8Array } | { readonly kind: "absent" | "damaged" }
  >;
  /** Durable before it returns. @throws Error when the bytes do not match the digest */
  write(digest: string, bytes: Uint8Array): void;
  readJson(name: string): unknown;
  writeJson(name: string, value: unknown): void;
}

export function openDiskCache(folder: string): DiskCache {
  const objects = join(folder, "objects");
  mkdirSync(objects, { recursive: true, mode: 0o700 });
  const pathOf = (digest: string): string => join(objects, digestHex(checked(digest)));
  return {
    async read(digest) {
      const path = pathOf(digest);
      let bytes: Uint8Array;
      try {
        bytes = await readFile(path);
      } catch {
        return { kind: "absent" };
      }
      if (digestBytes(bytes) === digest) return { kind: "found", bytes };
      renameSync(path, `${path}.damaged`);
      return { kind: "damaged" };
    },
    write(digest, bytes) {
      if (digestBytes(bytes) !== digest)
        throw new Error(`the bytes that control sent do not match ${digest}`);
      writeDurably(pathOf(digest), bytes);
    },
    readJson(name) {
      let text: string;
      try {
        text = readFileSync(join(folder, name), "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return null; // damaged, which is not the same as absent
      }
    },
    writeJson(name, value) {
      writeDurably(join(folder, name), Buffer.from(JSON.stringify(value)));
    },
  };
}

function checked(digest: string): Digest {
  const parsed = parseDigest(digest);
  if (!parsed) throw new Error(`"${digest.slice(0, 80)}" is not a digest`);
  return parsed;
}

/** Synced before it gets its name: after a power loss there is the old file or the new one, never half of one. */
function writeDurably(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.new`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
