import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Digest,
  digestBytes,
  digestHex,
  isMissingFile,
  parseDigest,
  writeFileDurablySync,
} from "@portolan/kernel";

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
      writeFileDurablySync(pathOf(digest), bytes, 0o600);
    },
    readJson(name) {
      let text: string;
      try {
        text = readFileSync(join(folder, name), "utf8");
      } catch (error) {
        if (isMissingFile(error)) return undefined;
        throw error;
      }
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return null; // damaged, which is not the same as absent
      }
    },
    writeJson(name, value) {
      writeFileDurablySync(join(folder, name), Buffer.from(JSON.stringify(value)), 0o600);
    },
  };
}

function checked(digest: string): Digest {
  const parsed = parseDigest(digest);
  if (!parsed) throw new Error(`"${digest.slice(0, 80)}" is not a digest`);
  return parsed;
}
