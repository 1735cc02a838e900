import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type Clock,
  type EpochMicros,
  type MigrationSet,
  PortolanError,
  type Secret,
} from "@portolan/kernel";
import type { Database, Session } from "../database.ts";
import { prepareJobQueue } from "../jobs/boss.ts";
import { createJobQueue } from "../jobs/job-queue.ts";
import { jobTables } from "../jobs/job-tables.ts";
import { migrate } from "../migrate.ts";
import { copyFile, type KeyFiles, unsealFiles, writeKeys } from "./files.ts";
import {
  type BackupManifest,
  damaged,
  readManifest,
  sealedKeysName,
  type TableInBackup,
  verifyFiles,
} from "./manifest.ts";
import { byForeignKeys, loadTable, qualified, tableFile } from "./tables.ts";

export interface RestoreOptions {
  /** A backup folder. */
  readonly source: string;
  /** An empty database. */
  readonly database: Database;
  /** A PORTOLAN_HOME without objects, ledger, accepted blocks and keys. */
  readonly home: string;
  readonly migrations: readonly MigrationSet[];
  readonly clock: Clock;
  readonly keysPassphrase?: Secret;
  /** Queues whose unfinished jobs end here instead of going on, such as the job that made the backup. */
  readonly endedQueues?: readonly string[];
  /** Checks the restored state, e.g. the ledger against its checkpoint; throws when it does not hold. */
  readonly verify?: () => Promise<void>;
}

export interface RestoreReport {
  /** The instant whose state was restored: what came after it is lost. */
  readonly recoveryPoint: EpochMicros;
  /** Recovery time, verification included. */
  readonly durationMs: number;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  /** Unfinished jobs that go on. */
  readonly jobs: number;
}

/**
 * Restores a backup into an empty home and database. Every digest is checked before anything is written; the
 * tables come back in one transaction; jobs that were not over go on. A backup of an older version is brought up
 * to date.
 *
 * @throws PortolanError `database.backup_damaged`, or `database.restore_not_empty`.
 */
export async function restoreDatabase(options: RestoreOptions): Promise<RestoreReport> {
  const { clock, database, source } = options;
  const started = clock.monotonicNanos();
  const manifest = await readManifest(source);
  await verifyFiles(source, manifest);
  const keys = await openKeys(options, manifest);
  await refuseFilled(options);
  const level = new Set(manifest.migrations.map(({ name }) => name));
  await migrate(database, options.migrations, clock, { only: level });
  const rows = await database.transaction("begin", (session) => loadAll(session, source, manifest));
  await migrate(database, options.migrations, clock);
  const homeFiles = manifest.files.filter((file) => file.path.startsWith("home/"));
  for (const file of homeFiles) {
    await copyFile(join(source, file.path), options.home, file.path.slice("home/".length), modeOf(file.path));
  }
  await writeKeys(keys, join(options.home, "keys"));
  const jobs = await resumeJobs(options);
  await options.verify?.();
  return {
    recoveryPoint: manifest.recoveryPoint,
    durationMs: Number((clock.monotonicNanos() - started) / 1_000_000n),
    tables: manifest.tables.length,
    rows,
    files: homeFiles.length,
    jobs,
  };
}

async function loadAll(session: Session, source: string, manifest: BackupManifest): Promise<number> {
  let rows = 0;
  await emptySeeded(session, manifest.tables);
  for (const table of await byForeignKeys(session, manifest.tables)) {
    const loaded = await loadTable(session, table, join(source, tableFile(table)));
    if (loaded !== table.rows) throw damaged(`${tableFile(table)} holds ${loaded} rows, not ${table.rows}`);
    rows += loaded;
  }
  for (const { name, lastValue } of manifest.sequences) {
    await session.query("select setval($1::regclass, $2)", [name, lastValue]);
  }
  return rows;
}

/** Migrations may have put rows in; the backup has them too, as they were. */
async function emptySeeded(session: Session, tables: readonly TableInBackup[]): Promise<void> {
  const seeded: string[] = [];
  for (const table of tables) {
    const name = qualified(table);
    const rows = await session.query(`select 1 from ${name} limit 1`);
    if (rows.length > 0) seeded.push(name);
  }
  if (seeded.length > 0) await session.script(`truncate ${seeded.join(", ")}`);
}

/** pg-boss is derived state: each job that was not over gets a new entry in it. */
async function resumeJobs({ database, clock, endedQueues = [] }: RestoreOptions): Promise<number> {
  await prepareJobQueue(database);
  if (endedQueues.length > 0) await endJobs(database, clock, endedQueues);
  const jobs = createJobQueue(database);
  const open = await jobTables(database.sql)
    .selectFrom("database.job_runs")
    .select(["id", "queue", "boss_id", "priority"])
    .where("state", "in", ["waiting", "running", "retrying"])
    .execute();
  for (const job of open) {
    await database.sql
      .transaction()
      .execute((trx) =>
        jobs.redispatch({ sql: trx, now: clock.now() }, { ...job, note: "goes on after a restore" }),
      );
  }
  return open.length;
}

async function endJobs(database: Database, clock: Clock, queues: readonly string[]): Promise<void> {
  await jobTables(database.sql)
    .updateTable("database.job_runs")
    .set({ state: "cancelled", note: "ended by a restore", finished_at: clock.now() })
    .where("queue", "in", queues)
    .where("state", "in", ["waiting", "running", "retrying"])
    .execute();
}

async function refuseFilled(options: RestoreOptions): Promise<void> {
  const filled: string[] = [];
  for (const name of ["objects", "ledger", "accepted", "keys"]) {
    const entries = await readdir(join(options.home, name)).catch(() => []);
    if (entries.length > 0) filled.push(join(options.home, name));
  }
  const known = await options.database.session((session) =>
    session.query<{ known: string | null }>("select to_regclass('database.migrations')::text as known"),
  );
  if ((known[0]?.known ?? null) !== null) filled.push("the database");
  if (filled.length === 0) return;
  throw new PortolanError("database.restore_not_empty", {
    detail: `not empty: ${filled.join(", ")}`,
    mend: "Restore into a new PORTOLAN_HOME and an empty database; then switch over to it.",
  });
}

/** Opened before anything is written, so that a wrong passphrase costs nothing. */
async function openKeys(options: RestoreOptions, manifest: BackupManifest): Promise<KeyFiles> {
  if (!manifest.withKeys) return {};
  if (options.keysPassphrase === undefined)
    throw damaged("it holds private keys, and no passphrase was given");
  return unsealFiles(join(options.source, sealedKeysName), options.keysPassphrase);
}

function modeOf(path: string): number {
  return path.startsWith("home/objects/") ? 0o444 : 0o600;
}
