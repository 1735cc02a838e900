import { describe, expect, test } from "vitest";
import { runCommand } from "../../tools/run-command.ts";
import { requireService, startPostgres } from "../../tools/services.ts";

const postgres = await requireService("postgresql");

describe.skipIf(postgres === undefined)("a PostgreSQL of the distribution", () => {
  test("starts on a private port, answers, and is gone with its folder when disposed", async () => {
    let pid = 0;
    {
      await using server = await startPostgres(postgres ?? "");
      pid = server.pid;
      const url = `postgresql://portolan@127.0.0.1:${server.port}/postgres`;
      const { output } = await runCommand(
        "psql",
        [url, "-Atc", "select current_setting('server_version_num')::int >= 150000"],
        { cwd: server.folder },
      );
      expect(output.trim()).toBe("t");
    }
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });
});
