import { randomBytes } from "node:crypto";
import {
  createJobQueue,
  createUnitOfWork,
  type Database,
  type JobQueue,
  migrate,
  openDatabase,
  type Recorder,
} from "@portolan/database";
import { type Clock, type MigrationSet, type Sql, systemClock, type UnitOfWork } from "@portolan/kernel";
import { createRecorder, ledgerMigrations } from "@portolan/ledger";
import { databaseImage } from "./database-image.ts";
import { databaseUrl, onServer, withTemplate } from "./database-template.ts";

export interface TestDatabaseOptions {
  /** The package's own sets and those it needs; `database` and `ledger` are always there. */
  readonly migrations?: readonly MigrationSet[];
  readonly clock?: Clock;
  /** Instead of the ledger's own; only tests of the ledger itself want another. */
  readonly recorder?: Recorder;
  readonly onIntents?: () => void;
  /** A server to run on; empty for PGlite, by default what PORTOLAN_TEST_DATABASE_URL says. */
  readonly url?: string;
}

export interface TestDatabase {
  readonly uow: UnitOfWork;
  readonly sql: Sql;
  readonly database: Database;
  readonly jobs: JobQueue;
  readonly clock: Clock;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A database of this test file's own: a fresh one on the server named by PORTOLAN_TEST_DATABASE_URL, dropped at close, or PGlite in memory. One per
 * test file: it costs a tenth of a second there, a second here.
 */
export async function openTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const clock = options.clock ?? systemClock;
  const url = options.url ?? process.env["PORTOLAN_TEST_DATABASE_URL"];
  const sets = [ledgerMigrations, ...(options.migrations ?? []).filter((set) => set.package !== "ledger")];
  const opened = url === undefined || url === "" ? await openMemory() : await openFresh(url, sets);
  await migrate(opened.database, sets, clock);
  const jobs = createJobQueue(opened.database);
  const uow = createUnitOfWork({
    database: opened.database,
    clock,
    recorder: options.recorder ?? createRecorder(),
    jobs,
    ...(options.onIntents === undefined ? {} : { onIntents: options.onIntents }),
  });
  return {
    uow,
    sql: opened.database.sql,
    database: opened.database,
    jobs,
    clock,
    close: opened.close,
    [Symbol.asyncDispose]: opened.close,
  };
}

interface Opened {
  readonly database: Database;
  readonly close: () => Promise<void>;
}

async function openMemory(): Promise<Opened> {
  const database = await openDatabase({ kind: "memory", image: await databaseImage() });
  return { database, close: () => database.close() };
}

async function openFresh(serverUrl: string, sets: readonly MigrationSet[]): Promise<Opened> {
  const name = `portolan_test_${randomBytes(6).toString("hex")}`;
  await withTemplate(serverUrl, sets, (session, template) =>
    session.script(`create database ${name} template ${template}`),
  );
  const database = await openDatabase({
    kind: "postgres",
    url: databaseUrl(serverUrl, name),
    maxConnections: 8,
  });
  return {
    database,
    close: async () => {
      await database.close();
      await onServer(serverUrl, (session) => session.script(`drop database if exists ${name} with (force)`));
    },
  };
}
