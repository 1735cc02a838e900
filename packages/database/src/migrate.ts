import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type Clock, digestBytes, type MigrationSet, messageOf, PortolanError } from "@portolan/kernel";
import type { Database, Session } from "./database.ts";

/** This package's own tables: jobs, steps, intents. Every database has them. */
export const databaseMigrations: MigrationSet = {
  package: "database",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export interface AppliedMigration {
  /** `<package>/<file name without .sql>` */
  readonly name: string;
  readonly digest: string;
}

export interface MigrateOptions {
  /** Applies these alone; a restore brings the schema to the backup's level first. */
  readonly only?: ReadonlySet<string>;
}

// Any constant serves; all Portolan processes take the same one.
const migrationLock = 7_467_001;

/**
 * Brings the schema up to date: all new files of all sets in one transaction, under an advisory lock, so that
 * starters running at once apply each file exactly once and a failure leaves nothing half done. `database`
 * is always among the sets and comes first.
 *
 * @returns the migrations applied by this call, in order.
 * @throws PortolanError `database.migration_changed` when an applied file's bytes differ,
 * `database.newer_schema` when the database knows a file that this program does not.
 */
export async function migrate(
  database: Database,
  sets: readonly MigrationSet[],
  clock: Clock,
  options: MigrateOptions = {},
): Promise<readonly AppliedMigration[]> {
  const ordered = orderMigrationSets([
    databaseMigrations,
    ...sets.filter((set) => set.package !== "database"),
  ]);
  const files = (await Promise.all(ordered.map(readMigrations))).flat();
  return database.transaction("begin", async (session) => {
    await session.query("select pg_advisory_xact_lock($1)", [migrationLock]);
    const known = await readApplied(session);
    refuseUnknown(known, files, ordered);
    const applied: AppliedMigration[] = [];
    for (const file of files) {
      const digest = known.get(file.name);
      if (options.only !== undefined && !options.only.has(file.name)) continue;
      if (digest === undefined) applied.push(await apply(session, file, clock.now()));
      else if (digest !== file.digest) throw changed(file.name);
    }
    return applied;
  });
}

/** Sorts sets so that each comes after those it names; ties by package name, so the order is always the same. */
export function orderMigrationSets(sets: readonly MigrationSet[]): MigrationSet[] {
  const waiting = new Map(sets.map((set) => [set.package, set]));
  const ordered: MigrationSet[] = [];
  const done = new Set<string>();
  while (waiting.size > 0) {
    const ready = [...waiting.values()]
      .filter((set) => set.after.every((name) => done.has(name)))
      .toSorted((a, b) => rank(a) - rank(b) || (a.package < b.package ? -1 : 1));
    const next = ready[0];
    if (next === undefined) {
      const missing = [...waiting.values()].map((set) => `${set.package} after ${set.after.join(", ")}`);
      throw new PortolanError("database.migration_order", {
        detail: `no order satisfies: ${missing.join("; ")}`,
        mend: "Pass the migration sets of all packages named in `after`, and remove cycles.",
      });
    }
    ordered.push(next);
    done.add(next.package);
    waiting.delete(next.package);
  }
  return ordered;
}

function rank(set: MigrationSet): number {
  return set.package === "database" ? 0 : 1;
}

interface MigrationFile extends AppliedMigration {
  readonly package: string;
  readonly text: string;
}

async function readMigrations(set: MigrationSet): Promise<MigrationFile[]> {
  const names = (await readdir(set.directory)).filter((name) => name.endsWith(".sql")).toSorted();
  return Promise.all(
    names.map(async (name, index) => {
      if (!new RegExp(`^${String(index + 1).padStart(4, "0")}_[a-z0-9_]+\\.sql$`).test(name)) {
        throw new PortolanError("database.migration_order", {
          detail: `${set.package}/migrations/${name} is not file number ${index + 1} of its folder`,
          mend: "Number migrations 0001_what.sql, 0002_what.sql … without gaps.",
        });
      }
      const bytes = await readFile(new URL(name, set.directory));
      return {
        package: set.package,
        name: `${set.package}/${basename(name, ".sql")}`,
        digest: digestBytes(bytes),
        text: bytes.toString("utf8"),
      };
    }),
  );
}

async function readApplied(session: Session): Promise<Map<string, string>> {
  await session.script("create schema if not exists database");
  await session.script(`create table if not exists database.migrations (
    name text primary key,
    digest text not null,
    applied_at bigint not null
  )`);
  const rows = await session.query<AppliedMigration>("select name, digest from database.migrations");
  return new Map(rows.map((row) => [row.name, row.digest]));
}

async function apply(session: Session, file: MigrationFile, now: number): Promise<AppliedMigration> {
  try {
    await session.script(file.text);
  } catch (cause) {
    if (cause instanceof PortolanError) throw cause;
    throw new Error(`migration ${file.name} failed: ${messageOf(cause)}`, { cause });
  }
  await session.query("insert into database.migrations (name, digest, applied_at) values ($1, $2, $3)", [
    file.name,
    file.digest,
    now,
  ]);
  return { name: file.name, digest: file.digest };
}

/** Only packages of this program are judged: a smaller tool may open the database with fewer sets. */
function refuseUnknown(
  known: ReadonlyMap<string, string>,
  files: readonly MigrationFile[],
  sets: readonly MigrationSet[],
): void {
  const names = new Set(files.map((file) => file.name));
  const unknown = [...known.keys()].filter(
    (name) => !names.has(name) && sets.some((set) => name.startsWith(`${set.package}/`)),
  );
  if (unknown.length === 0) return;
  throw new PortolanError("database.newer_schema", {
    detail: `the database has ${unknown.join(", ")}, which this version of Portolan does not know`,
    mend: "Start the version that wrote this database, or a later one; or restore a backup of this version.",
  });
}

function changed(name: string): PortolanError {
  return new PortolanError("database.migration_changed", {
    detail: `${name} was applied with other content than the file has now`,
    mend: "Put the file back as it was, and write the change as a new numbered file.",
  });
}
