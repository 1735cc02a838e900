import { mkdir } from "node:fs/promises";
import { messageOf, PortolanError, type Secret } from "@portolan/kernel";
import type { Database } from "./database.ts";
import { Subscriptions } from "./listener.ts";
import { type FolderLock, lockFolder } from "./pglite/folder-lock.ts";
import { type PgliteHost, startPgliteHost } from "./pglite/pglite-host.ts";
import { startPgliteThread } from "./pglite/pglite-thread.ts";
import { PgliteWireStream } from "./pglite/wire-stream.ts";
import { newPool, poolDatabase, serverDatabase } from "./pool-database.ts";
import { columnTypes } from "./type-parsers.ts";

/** Where the database is. */
export type DatabaseTarget =
  /** A server. `url` as libpq takes it; over a Unix socket `postgresql://user@localhost/name?host=/folder`. */
  | { readonly kind: "postgres"; readonly url: string | Secret; readonly maxConnections?: number }
  /** PGlite in a worker thread over a data folder, behind an exclusive lock. */
  | { readonly kind: "pglite"; readonly folder: string }
  /** PGlite in this thread and in memory, optionally started from a dumped data folder. Tests only. */
  | { readonly kind: "memory"; readonly image?: string };

/**
 * Opens a database and proves that it answers.
 * @throws PortolanError `database.unreachable`, or `database.locked` when another process has the PGlite folder.
 */
export async function openDatabase(target: DatabaseTarget): Promise<Database> {
  if (target.kind === "postgres") {
    const url = typeof target.url === "string" ? target.url : target.url.reveal();
    return proven(
      serverDatabase({ connectionString: url, types: columnTypes, max: target.maxConnections ?? 20 }),
    );
  }
  if (target.kind === "memory") return proven(pgliteDatabase(await startPgliteHost(target), undefined));
  await mkdir(target.folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(target.folder);
  try {
    return await proven(pgliteDatabase(await startPgliteThread({ folder: target.folder }), lock));
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** A server's database that nobody asked yet whether it answers: its first statement connects. For descriptions. */
export function unaskedDatabase(url: string): Database {
  return serverDatabase({ connectionString: url, types: columnTypes, max: 1 });
}

function pgliteDatabase(host: PgliteHost, lock: FolderLock | undefined): Database {
  const subscriptions = new Subscriptions();
  // PGlite has one session: a pool of one makes callers take turns instead of meeting in one transaction.
  const pool = newPool({
    user: "postgres",
    database: "postgres",
    max: 1,
    idleTimeoutMillis: 0,
    types: columnTypes,
    stream: () => new PgliteWireStream(host),
  });
  pool.on("connect", (client) => {
    // Queued before the first caller's statement, so the new session listens before it does anything else.
    subscriptions.attach(client).catch(() => undefined);
  });
  return poolDatabase("pglite", pool, {
    subscriptions,
    listen: async (statement) => {
      await pool.query(statement);
    },
    dumpImage: () => host.dump(),
    close: async () => {
      await host.close();
      await lock?.release();
    },
  });
}

async function proven(database: Database): Promise<Database> {
  try {
    await database.session((session) => session.script("select 1"));
    return database;
  } catch (error) {
    await database.close().catch(() => undefined);
    if (error instanceof PortolanError) throw error;
    throw new PortolanError("database.unreachable", {
      detail: messageOf(error),
      mend: "Check DATABASE_URL, and that the server is up and lets this user in.",
      cause: error,
    });
  }
}
