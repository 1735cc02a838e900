import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasEmbeddedPostgres, startEmbeddedPostgres } from "@portolan/database/embedded";

/** What nobody reads after the tests need not be on the disk. */
const settings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "200",
  max_wal_size: "4GB",
  autovacuum_naptime: "10min",
};

let end: (() => Promise<void>) | undefined;

/**
 * For all test files of a run, before the first: a PostgreSQL server, the one that `portolan up` runs, in a temporary folder and without durability.
 * Where npm has none for this platform the databases of tests are PGlite's. PORTOLAN_TEST_DATABASE_URL names another server, or, empty, asks for PGlite.
 */
export async function setup(): Promise<void> {
  if (process.env["PORTOLAN_TEST_DATABASE_URL"] !== undefined || !hasEmbeddedPostgres()) return;
  const home = await mkdtemp(join(tmpdir(), "portolan-test-database-"));
  const server = await startEmbeddedPostgres({ folder: join(home, "postgres"), settings });
  process.env["PORTOLAN_TEST_DATABASE_URL"] = server.url;
  end = async () => {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  };
}

/** After the last file. */
export const teardown = (): Promise<void> | undefined => end?.();
