import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Clock, PortolanError, type Secret, syncFolder, writeSynced } from "@portolan/kernel";
import type { Database, Session } from "../database.ts";
import { copyFile, listFiles, sealFolder } from "./files.ts";
import { FolderCopy } from "./folder-copy.ts";
import {
  type BackupManifest,
  backupFormat,
  digestOfFile,
  type FileInBackup,
  manifestName,
  readManifest,
  sealedKeysName,
  type TableInBackup,
} from "./manifest.ts";
import { dumpTable, listTables, tableFile } from "./tables.ts";

export interface BackupOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** PORTOLAN_HOME. */
  readonly home: string;
  /** The folder to make; it must not exist. */
  readonly target: string;
  /**
   * Resolves when the ledger's sequencer stands still; its result lets it go on. In between only the snapshot starts
   * and the tile files that changed since the first copy are copied: one `stat` per file. Pass the sequencer's own pause.
   */
  readonly pauseLedger?: () => Promise<() => void>;
  /** With it, private keys are put in, under this passphrase; without it only public halves. */
  readonly keysPassphrase?: Secret;
  /** Ends the copying between two files; the partial folder stays and is thrown away by the next attempt. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, note: string) => Promise<void>;
}

/** Grow only, and are written before the row that names them: safe to copy after the snapshot. */
const grownFolders = ["objects", "accepted"];

/** Public halves by their names; everything else in `keys/` counts as private. */
const publicKeyFile = /\.pub(\.pem)?$|^public[-./]/;

/**
 * Writes a backup while the system works: all tables as of one instant (a repeatable-read snapshot), the ledger's
 * tiles as of the same, objects and accepted prediction blocks. The queue's own schema is left out: `restore` makes
 * it anew from the jobs. The folder appears under its name only when it is complete.
 *
 * On PGlite other callers wait until the tables are written.
 */
export async function backupDatabase(options: BackupOptions): Promise<BackupManifest> {
  const { clock, target } = options;
  if (await exists(target)) {
    throw new PortolanError("database.backup_exists", {
      detail: `${target} exists already`,
      mend: "Name a folder that does not exist.",
    });
  }
  const partial = `${target}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(join(partial, "database"), { recursive: true, mode: 0o700 });
  const started = clock.monotonicNanos();
  const files: FileInBackup[] = [];
  const content = await copySnapshot(options, partial, files);
  await options.onProgress?.(0.6, "copying objects and accepted predictions");
  for (const name of grownFolders) await copyFolder(options, name, partial, files);
  await copyKeys(options, partial, files);
  const manifest: BackupManifest = {
    format: backupFormat,
    durationMs: Number((clock.monotonicNanos() - started) / 1_000_000n),
    withKeys: options.keysPassphrase !== undefined,
    files,
    ...content,
  };
  await publish(manifest, partial, target);
  return manifest;
}

/** Adds the private keys, under a passphrase, to a backup that was made without them. Run where the keys are. */
export async function addKeysToBackup(
  folder: string,
  home: string,
  passphrase: Secret,
): Promise<BackupManifest> {
  const manifest = await readManifest(folder);
  const sealed = await sealKeys(join(home, "keys"), folder, passphrase);
  const files = [...manifest.files.filter((file) => file.path !== sealed.path), sealed];
  const extended: BackupManifest = { ...manifest, files, withKeys: true };
  const draft = join(folder, `${manifestName}.new`);
  await rm(draft, { force: true });
  await writeSynced(draft, "wx", 0o600, (file) => file.writeFile(JSON.stringify(extended, null, 1)));
  await rename(draft, join(folder, manifestName));
  await syncFolder(folder);
  return extended;
}

/** Ledger tiles and tables of one instant. */
async function copySnapshot(options: BackupOptions, partial: string, files: FileInBackup[]) {
  const ledger = new FolderCopy(join(options.home, "ledger"), partial, "home/ledger");
  await options.onProgress?.(0.05, "copying the ledger's tiles");
  await ledger.pass(options.signal);
  await options.onProgress?.(0.2, "writing the tables");
  // From here on nothing may ask the database outside the session: on PGlite it would wait for the session's end.
  const goOn = await options.pauseLedger?.();
  try {
    return await options.database.session(async (session) => {
      await session.script("begin isolation level repeatable read, read only");
      // The snapshot is taken by the first query, not by `begin`.
      await session.query("select name from database.migrations limit 1");
      await ledger.pass(options.signal);
      const recoveryPoint = options.clock.now();
      goOn?.();
      files.push(...ledger.files());
      const tables = await dumpTables(session, partial, files, options.signal);
      await session.script("commit");
      return { recoveryPoint, ...tables };
    });
  } finally {
    goOn?.();
  }
}

async function publish(manifest: BackupManifest, partial: string, target: string): Promise<void> {
  await writeSynced(join(partial, manifestName), "wx", 0o600, (file) =>
    file.writeFile(JSON.stringify(manifest, null, 1)),
  );
  await syncFolders(partial);
  await rename(partial, target);
  await syncFolder(dirname(target));
}

async function dumpTables(
  session: Session,
  partial: string,
  files: FileInBackup[],
  signal: AbortSignal | undefined,
) {
  const migrations = await session.query<{ name: string; digest: string }>(
    "select name, digest from database.migrations order by applied_at, name",
  );
  const schemas = [...new Set(migrations.map(({ name }) => name.split("/")[0] ?? ""))];
  const tables: TableInBackup[] = [];
  for (const table of await listTables(session, schemas)) {
    signal?.throwIfAborted();
    const path = tableFile(table);
    const { rows, sizeBytes, digest } = await dumpTable(session, table, join(partial, path));
    tables.push({ ...table, rows });
    files.push({ path, sizeBytes, digest });
  }
  const sequences = await session.query<{ name: string; lastValue: number }>(
    `select format('%I.%I', schemaname, sequencename) as name, last_value as "lastValue"
       from pg_sequences where schemaname = any($1) and last_value is not null order by 1`,
    [schemas],
  );
  return { migrations, tables, sequences };
}

async function copyFolder(
  { home, signal }: BackupOptions,
  name: string,
  partial: string,
  files: FileInBackup[],
): Promise<void> {
  for (const path of await listFiles(join(home, name))) {
    if (name === "objects" && path.startsWith("incoming")) continue;
    signal?.throwIfAborted();
    files.push(await copyFile(join(home, name, path), partial, `home/${name}/${path}`));
  }
}

async function copyKeys(options: BackupOptions, partial: string, files: FileInBackup[]): Promise<void> {
  const folder = join(options.home, "keys");
  for (const path of (await listFiles(folder)).filter((name) => publicKeyFile.test(name))) {
    files.push(await copyFile(join(folder, path), partial, `home/keys/${path}`));
  }
  if (options.keysPassphrase !== undefined)
    files.push(await sealKeys(folder, partial, options.keysPassphrase));
}

async function sealKeys(keys: string, backup: string, passphrase: Secret): Promise<FileInBackup> {
  const sealed = join(backup, sealedKeysName);
  await rm(sealed, { force: true });
  await sealFolder(keys, sealed, passphrase);
  return { path: sealedKeysName, sizeBytes: (await stat(sealed)).size, digest: await digestOfFile(sealed) };
}

/** Files were synced one by one; their names live in the folders. */
async function syncFolders(root: string): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await syncFolder(join(entry.parentPath, entry.name));
  await syncFolder(root);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
