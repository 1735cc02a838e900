import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Clock, PortolanError, type Secret } from "@portolan/kernel";
import type { Database, Session } from "../database.ts";
import { copyFile, listFiles, sealFolder } from "./files.ts";
import {
  type BackupManifest,
  backupFormat,
  digestOfFile,
  type FileInBackup,
  manifestName,
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
   * Runs `work` while the ledger's sequencer stands still, so that tiles and rows are of one moment. Only the copy
   * of the tiles and the start of the snapshot happen inside: a second or so. Pass the ledger's own pause.
   */
  readonly whileLedgerRests?: <T>(work: () => Promise<T>) => Promise<T>;
  /** With it, private keys are put in, under this passphrase; without it only public halves. */
  readonly keysPassphrase?: Secret;
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
  const { clock, database, home, target } = options;
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
  const rest = options.whileLedgerRests ?? ((work) => work());
  const content = await database.session(async (session) => {
    const recoveryPoint = await rest(async () => {
      await session.script("begin isolation level repeatable read, read only");
      // The snapshot is taken by the first query, not by `begin`.
      await session.query("select name from database.migrations limit 1");
      await copyFolder(home, "ledger", partial, files);
      return clock.now();
    });
    const tables = await dumpTables(session, partial, files);
    await session.script("commit");
    return { recoveryPoint, ...tables };
  });
  for (const name of grownFolders) await copyFolder(home, name, partial, files);
  await copyKeys(options, partial, files);
  const manifest: BackupManifest = {
    format: backupFormat,
    durationMs: Number((clock.monotonicNanos() - started) / 1_000_000n),
    withKeys: options.keysPassphrase !== undefined,
    files,
    ...content,
  };
  await writeSynced(join(partial, manifestName), JSON.stringify(manifest, null, 1));
  await rename(partial, target);
  await syncFolder(dirname(target));
  return manifest;
}

async function dumpTables(session: Session, partial: string, files: FileInBackup[]) {
  const migrations = await session.query<{ name: string; digest: string }>(
    "select name, digest from database.migrations order by applied_at, name",
  );
  const schemas = [...new Set(migrations.map(({ name }) => name.split("/")[0] ?? ""))];
  const tables: TableInBackup[] = [];
  for (const table of await listTables(session, schemas)) {
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

async function copyFolder(home: string, name: string, partial: string, files: FileInBackup[]): Promise<void> {
  for (const path of await listFiles(join(home, name))) {
    if (name === "objects" && path.startsWith("incoming")) continue;
    files.push(await copyFile(join(home, name, path), partial, `home/${name}/${path}`));
  }
}

async function copyKeys(options: BackupOptions, partial: string, files: FileInBackup[]): Promise<void> {
  const folder = join(options.home, "keys");
  for (const path of (await listFiles(folder)).filter((name) => publicKeyFile.test(name))) {
    files.push(await copyFile(join(folder, path), partial, `home/keys/${path}`));
  }
  if (options.keysPassphrase === undefined) return;
  const sealed = join(partial, "keys.sealed");
  await sealFolder(folder, sealed, options.keysPassphrase);
  files.push({
    path: "keys.sealed",
    sizeBytes: (await stat(sealed)).size,
    digest: await digestOfFile(sealed),
  });
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
