import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { type Database, databaseMigrations, migrate, prepareJobQueue } from "@portolan/database";
import { type MigrationSet, systemClock } from "@portolan/kernel";

/** Lays the schema of `database`, of the job queue and of these sets. */
export async function laySchema(database: Database, sets: readonly MigrationSet[]): Promise<void> {
  await migrate(database, [], systemClock);
  await prepareJobQueue(database);
  if (sets.length > 0) await migrate(database, sets, systemClock);
}

/** A name for what `laySchema` lays: of everything that shapes it. */
export async function schemaKey(sets: readonly MigrationSet[]): Promise<string> {
  const hash = createHash("sha256");
  // The manifest pins the versions of PGlite and pg-boss.
  hash.update(await readFile(new URL("../../database/package.json", import.meta.url)));
  for (const set of [databaseMigrations, ...sets.toSorted((a, b) => (a.package < b.package ? -1 : 1))]) {
    hash.update(`/${set.package}`);
    for (const name of (await readdir(set.directory)).toSorted()) {
      hash.update(`/${name}`).update(await readFile(new URL(name, set.directory)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
