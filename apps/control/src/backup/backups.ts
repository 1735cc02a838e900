import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type BackupManifest, backupDatabase, type Database, readManifest } from "@portolan/database";
import {
  type Clock,
  digestJson,
  formatInstant,
  type JobHandler,
  type JobRun,
  type JsonObject,
  PortolanError,
} from "@portolan/kernel";

export const backupQueue = "database.backup";

/** One folder under `<home>/backups`; never a path. */
export const backupName = "^[a-z0-9][a-z0-9-]{0,79}$";

export interface BackupDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly home: string;
  readonly pauseLedger: () => Promise<() => void>;
}

/** What a backup holds, without the list of its files. */
export interface BackupSummary extends JsonObject {
  readonly name: string;
  readonly recoveryPoint: string;
  readonly durationMs: number;
  readonly rows: number;
  readonly files: number;
  readonly sizeBytes: number;
  readonly withKeys: boolean;
}

export function backupFolder(home: string, name: string): string {
  return join(home, "backups", name);
}

/** The durable job behind `POST /v1/backups`. Killed in the middle it starts over with a new recovery point. */
export function backupJob(deps: BackupDeps): JobHandler {
  return { queue: backupQueue, retries: 2, run: (job) => makeBackup(deps, job) };
}

async function makeBackup(deps: BackupDeps, job: JobRun): Promise<JsonObject> {
  const name = job.payload["name"];
  if (typeof name !== "string" || !new RegExp(backupName).test(name))
    throw new PortolanError("kernel.bad_request", { detail: "a backup's name is a folder's name" });
  const summary = await job.effect("copy", () => copy(deps, job, name));
  await job.progress(0.95, "writing it to the ledger");
  await job.step("record", async (tx) => {
    await tx.record({
      event: "database.backup.made",
      subject: name,
      after: digestJson(summary),
      detail: summary,
    });
    return true;
  });
  return summary;
}

/** Idempotent by the folder's name: it appears only when complete, and is then taken as it is. */
async function copy(deps: BackupDeps, job: JobRun, name: string): Promise<BackupSummary> {
  const { database, clock, home, pauseLedger } = deps;
  const target = backupFolder(home, name);
  await mkdir(join(home, "backups"), { recursive: true, mode: 0o700 });
  const made = await readManifest(target).catch(() => undefined);
  if (made) return summaryOf(name, made);
  const { signal } = job;
  const onProgress = (fraction: number, note: string) => job.progress(fraction * 0.95, note);
  return summaryOf(
    name,
    await backupDatabase({ database, clock, home, target, pauseLedger, signal, onProgress }),
  );
}

/** Complete backups, newest recovery point first. */
export async function listBackups(home: string): Promise<BackupSummary[]> {
  const names = await readdir(join(home, "backups")).catch(() => []);
  const known = names.filter((name) => new RegExp(backupName).test(name));
  const found: BackupSummary[] = [];
  for (const name of known) {
    const manifest = await readManifest(backupFolder(home, name)).catch(() => undefined);
    if (manifest) found.push(summaryOf(name, manifest));
  }
  return found.toSorted((a, b) => (a.recoveryPoint > b.recoveryPoint ? -1 : 1));
}

function summaryOf(name: string, manifest: BackupManifest): BackupSummary {
  return {
    name,
    recoveryPoint: formatInstant(manifest.recoveryPoint),
    durationMs: manifest.durationMs,
    rows: manifest.tables.reduce((sum, table) => sum + table.rows, 0),
    files: manifest.files.length,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    withKeys: manifest.withKeys,
  };
}
