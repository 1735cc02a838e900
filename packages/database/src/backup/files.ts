import {
  createCipheriv,
  createDecipheriv,
  createHash,
  randomBytes,
  type ScryptOptions,
  scrypt,
} from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Digest, Secret } from "@portolan/kernel";
import { damaged, type FileInBackup } from "./manifest.ts";

/** Relative paths of the regular files under a folder, sorted; empty when there is no such folder. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Copies a file, syncs the copy, and describes what was copied (a growing file: what it held so far). */
export async function copyFile(
  source: string,
  folder: string,
  path: string,
  mode = 0o600,
): Promise<FileInBackup> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  const file = await open(target, "wx", mode);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    for await (const chunk of createReadStream(source, { highWaterMark: 1 << 20 })) {
      const bytes = chunk as Buffer;
      hash.update(bytes);
      sizeBytes += bytes.length;
      await file.appendFile(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, sizeBytes, digest: `sha256:${hash.digest("hex")}` as Digest };
}

// scrypt at 2^17: about 0.3 s and 128 MiB per guess. The backup may lie on a shelf for years.
const scryptCost: ScryptOptions = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 2 ** 20 };

function deriveKey(passphrase: Secret, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.reveal(), salt, 32, scryptCost, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

/** Packs the files of a folder under a passphrase: AES-256-GCM over a JSON object of base64 contents. */
export async function sealFolder(folder: string, target: string, passphrase: Secret): Promise<void> {
  const contents: Record<string, string> = {};
  for (const path of await listFiles(folder))
    contents[path] = (await readFile(join(folder, path))).toString("base64");
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", await deriveKey(passphrase, salt), nonce);
  const body = Buffer.concat([cipher.update(JSON.stringify(contents)), cipher.final()]);
  await writeFile(target, Buffer.concat([salt, nonce, cipher.getAuthTag(), body]), {
    mode: 0o600,
    flag: "wx",
  });
}

/** Relative path → contents in base64. */
export type KeyFiles = Readonly<Record<string, string>>;

/** @throws PortolanError `database.backup_damaged` for a wrong passphrase or a changed file. */
export async function unsealFiles(source: string, passphrase: Secret): Promise<KeyFiles> {
  const sealed = await readFile(source);
  const key = await deriveKey(passphrase, sealed.subarray(0, 16));
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(16, 28));
  decipher.setAuthTag(sealed.subarray(28, 44));
  try {
    const text = Buffer.concat([decipher.update(sealed.subarray(44)), decipher.final()]).toString("utf8");
    return JSON.parse(text) as KeyFiles;
  } catch {
    throw damaged("the private keys do not open with this passphrase");
  }
}

export async function writeKeys(files: KeyFiles, folder: string): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    if (path.split("/").includes("..")) throw damaged(`${path} climbs out of the key folder`);
    await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, path), Buffer.from(content, "base64"), { mode: 0o600 });
  }
}
