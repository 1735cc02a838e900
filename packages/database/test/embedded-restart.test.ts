import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { expect, test } from "vitest";
import { startEmbeddedPostgres } from "../src/embedded.ts";

test("a killed server is given up when it is gone, not when its last backend is; then it starts again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-pg-restart-"));
  await chmod(folder, 0o755);
  const options = { folder: join(folder, "postgres") };
  const first = await startEmbeddedPostgres(options);
  const client = new Client({ connectionString: first.url });
  client.on("error", () => undefined);
  await client.connect();
  const backend = (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]?.pid ?? 0;
  await client.query("create table kept as select 1 as n");
  // Pure computing: such a backend does not look whether its server lives, for minutes.
  const busy = client.query("select count(*) from generate_series(1, 10000000000)").then(
    () => "backend",
    () => "backend",
  );
  try {
    process.kill(first.pid, "SIGKILL");
    const gone = await Promise.race([first.exited.then(() => "server"), busy]);
    expect(gone).toBe("server");
    expect((await first.exited).expected).toBe(false);
  } finally {
    process.kill(backend, "SIGKILL");
    await busy;
  }
  const second = await startEmbeddedPostgres(options);
  const again = new Client({ connectionString: second.url });
  await again.connect();
  expect((await again.query("select n from kept")).rows).toEqual([{ n: 1 }]);
  await again.end();
  await second.stop();
  await rm(folder, { recursive: true, force: true });
});
