import { execFile } from "node:child_process";
import { access, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasEmbeddedPostgres, lockFolder, startEmbeddedPostgres } from "@portolan/database/embedded";
import { PortolanError, type Secret } from "@portolan/kernel";
import type { CliEnvironment } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { openHome } from "../supervisor/installation.ts";

/** What control says of a restore. */
export interface RestoreOutcome {
  readonly recoveryPoint: string;
  /** From the first digest checked to the last ledger verified; starting PostgreSQL is not in it. */
  readonly durationMs: number;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly jobs: number;
  readonly ledgers: readonly {
    readonly organisation: string;
    readonly provedRows: number;
    readonly unsignedRows: number;
    readonly checkpoints: number;
    readonly keys: readonly string[];
  }[];
  readonly retiredKeys: readonly string[];
}

interface RestoreFailure {
  readonly code: string;
  readonly detail: string;
  readonly mend?: string;
  readonly violations: readonly { readonly detail: string }[];
}

export interface RestoreRequest {
  readonly environment: CliEnvironment;
  /** A backup folder. */
  readonly source: string;
  /** An empty state folder, or one that does not exist. */
  readonly home: string;
  readonly passphrase?: Secret;
  /** The database to fill; absent: the one that `portolan up` would start from the home. */
  readonly databaseUrl?: string;
}

/** It lies in the home while a restore is under way: what it leaves behind when it is killed must not be started. */
export const restoreMark = join("run", "restore-incomplete");

/**
 * Restores a backup into an empty home with nothing running from it. When it fails, a home that it made is removed.
 *
 * @throws PortolanError `database.backup_damaged`, `database.restore_not_empty`, `database.restore_unverified`
 */
export async function restoreOffline(request: RestoreRequest): Promise<RestoreOutcome> {
  const { home } = request;
  const wasEmpty = await isEmpty(home);
  await openHome(home);
  try {
    await using _lock = await heldLock(home);
    await writeFile(join(home, restoreMark), "portolan restore has not finished\n");
    const outcome = await withDatabase(request, (url) => runControl(request, url));
    await rm(join(home, restoreMark));
    return outcome;
  } catch (error) {
    if (wasEmpty) await removeHome(home);
    throw error;
  }
}

/** @throws PortolanError `cli.restore_incomplete` */
export async function requireRestored(home: string): Promise<void> {
  const incomplete = await access(join(home, restoreMark)).then(
    () => true,
    () => false,
  );
  if (!incomplete) return;
  throw new PortolanError<CliErrorCode>("cli.restore_incomplete", {
    detail: `a restore into ${home} was broken off`,
    mend: `Remove ${home} and restore again.`,
  });
}

/** Removes a home, and what its database keeps outside of it: its data behind a link, its socket behind a note. */
export async function removeHome(home: string): Promise<void> {
  const folder = join(home, "postgres");
  const sockets = await readFile(join(folder, "socket-folder"), "utf8").catch(() => "");
  if (sockets.startsWith("/tmp/portolan-")) await rm(sockets.trim(), { recursive: true, force: true });
  const elsewhere = await readlink(folder).catch(() => undefined);
  if (elsewhere !== undefined) await rm(elsewhere, { recursive: true, force: true });
  await rm(home, { recursive: true, force: true });
}

/** Two programs on one home would end each other's database. */
async function heldLock(home: string): Promise<AsyncDisposable> {
  const lock = await lockFolder(join(home, "run", "supervisor"));
  return { [Symbol.asyncDispose]: () => lock.release() };
}

async function withDatabase<T>(
  request: RestoreRequest,
  work: (url: string | undefined) => Promise<T>,
): Promise<T> {
  if (request.databaseUrl !== undefined) return work(request.databaseUrl);
  if (request.environment.env["PORTOLAN_DATABASE"] === "pglite" || !hasEmbeddedPostgres()) {
    return work(undefined);
  }
  const server = await startEmbeddedPostgres({ folder: join(request.home, "postgres") });
  try {
    return await work(server.url);
  } finally {
    await server.stop();
  }
}

/** Control holds every domain's schema, so it restores; its last line says how that went. */
async function runControl(request: RestoreRequest, databaseUrl: string | undefined): Promise<RestoreOutcome> {
  const { root, env } = request.environment;
  const { stdout, error } = await run([join(root, "apps/control/src/main.ts"), "restore"], {
    PATH: env["PATH"],
    PORTOLAN_HOME: request.home,
    RESTORE_FROM: request.source,
    DATABASE_URL: databaseUrl,
    BACKUP_PASSPHRASE: request.passphrase?.reveal(),
  });
  const answer = parseAnswer(stdout);
  if (answer === undefined) {
    throw new PortolanError<CliErrorCode>("cli.process_failed", {
      detail: `the restore ended without an answer (${error ?? "no reason given"})`,
      mend: "Check the room on the disk, and restore again.",
    });
  }
  if ("restored" in answer) return answer.restored;
  const { code, detail, mend, violations } = answer.failed;
  throw new PortolanError(code, { detail, violations, ...(mend === undefined ? {} : { mend }) });
}

type Answer = { readonly restored: RestoreOutcome } | { readonly failed: RestoreFailure };

function parseAnswer(stdout: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
    return typeof value === "object" && value !== null && ("restored" in value || "failed" in value)
      ? (value as Answer)
      : undefined;
  } catch {
    return undefined;
  }
}

function run(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly stdout: string; readonly error: string | undefined }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], { env, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      resolve({ stdout, error: error === null ? undefined : stderr.trim().split("\n").at(-1) });
    });
  });
}

async function isEmpty(home: string): Promise<boolean> {
  return (await readdir(home).catch(() => [])).length === 0;
}
