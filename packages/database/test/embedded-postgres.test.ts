import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plannedOnce } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../src/embedded.ts";
import { openDatabase } from "../src/index.ts";
import { databaseSuite } from "./shared-suite.ts";

let folder: string;
let server: EmbeddedPostgres;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-pg-"));
  await chmod(folder, 0o755);
  server = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

databaseSuite("PostgreSQL from npm", "postgres", () => server.url);

test("a statement that says so is planned once for a connection, and answers with each values; others leave nothing there", async () => {
  await using database = await openDatabase({ kind: "postgres", url: server.url, maxConnections: 1 });
  const twice = async (n: number, end: string): Promise<number | undefined> => {
    const { rows } = await raw<{ n: number }>`select ${n}::integer * 2 as n ${raw.raw(end)}`.execute(
      database.sql,
    );
    return rows[0]?.n;
  };
  for (const n of [1, 2, 3]) expect(await twice(n, plannedOnce)).toBe(2 * n);
  expect(await twice(4, "/* each time */")).toBe(8);
  const { rows } = await raw<{ statement: string; runs: number }>`
    select statement, (generic_plans + custom_plans)::integer as runs from pg_prepared_statements`.execute(
    database.sql,
  );
  expect(rows).toEqual([{ statement: `select $1::integer * 2 as n ${plannedOnce}`, runs: 3 }]);
});

test("a planned statement that failed is there for the next transaction", async () => {
  await using database = await openDatabase({ kind: "postgres", url: server.url, maxConnections: 1 });
  const divided = (by: number) =>
    database.sql
      .transaction()
      .execute((trx) =>
        raw<{ n: number }>`select 6 / ${by}::integer as n ${raw.raw(plannedOnce)}`.execute(trx),
      );
  await expect(divided(0)).rejects.toThrow("division by zero");
  expect((await divided(3)).rows).toEqual([{ n: 2 }]);
});
