import { afterAll, beforeAll } from "vitest";
import { databaseSuite } from "../../packages/database/test/shared-suite.ts";
import { requireService, startPostgres } from "../../tools/services.ts";

const postgres = await requireService("postgresql");

if (postgres !== undefined) {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres(postgres);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  databaseSuite(
    "PostgreSQL of the distribution",
    "postgres",
    () => `postgresql://portolan@127.0.0.1:${server.port}/postgres`,
  );
}
