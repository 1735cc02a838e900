import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../src/embedded.ts";
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

databaseSuite("PostgreSQL from npm", () => server.url);
