import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, type EpochMicros, messageOf, PortolanError } from "@portolan/kernel";

export const backupFormat = "portolan-backup/1";
export const manifestName = "manifest.json";
/** The private keys, under a passphrase. */
export const sealedKeysName = "keys.sealed";

export interface TableInBackup {
  readonly schema: string;
  readonly name: string;
  /** Column names in the order of the values in each line. */
  readonly columns: readonly string[];
  readonly rows: number;
}

export interface FileInBackup {
  /** Relative to the backup folder, with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** What a backup holds; the digests are what `restore` checks before it writes anything. */
export interface BackupManifest {
  readonly format: typeof backupFormat;
  /** The instant whose committed state the backup holds. */
  readonly recoveryPoint: EpochMicros;
  readonly durationMs: number;
  readonly migrations: readonly { readonly name: string; readonly digest: string }[];
  readonly tables: readonly TableInBackup[];
  readonly sequences: readonly { readonly name: string; readonly lastValue: number }[];
  readonly files: readonly FileInBackup[];
  /** Private keys are inside, under a passphrase. */
  readonly withKeys: boolean;
}

export async function readManifest(folder: string): Promise<BackupManifest> {
  const text = await readFile(join(folder, manifestName), "utf8").catch((error: unknown) => {
    throw damaged(`there is no readable ${manifestName} in ${folder}: ${messageOf(error)}`);
  });
  try {
    const value = JSON.parse(text) as Omit<BackupManifest, "format"> & { readonly format: string };
    if (value.format === backupFormat) return { ...value, format: backupFormat };
  } catch (error) {
    throw damaged(`${manifestName} is not JSON: ${messageOf(error)}`);
  }
  throw damaged(`${manifestName} is not of a format that this version reads`);
}

/** @throws PortolanError `database.backup_damaged` naming the first file that is missing or changed. */
export async function verifyFiles(folder: string, manifest: BackupManifest): Promise<void> {
  for (const file of manifest.files) {
    if (file.path.split("/").includes("..")) throw damaged(`${file.path} climbs out of the backup`);
    const digest = await digestOfFile(join(folder, file.path)).catch(() => undefined);
    if (digest === undefined) throw damaged(`${file.path} is missing`);
    if (digest !== file.digest) throw damaged(`${file.path} is not the file that was backed up`);
  }
}

export async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}` as Digest;
}

export function damaged(detail: string): PortolanError {
  return new PortolanError("database.backup_damaged", {
    detail,
    mend: "Use another backup; nothing was restored from this one.",
  });
}
