import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { type RunState, readLastState } from "../../apps/cli/src/supervisor/state-file.ts";
import { cliMain, processesOf } from "../../apps/cli/test/product.ts";

/** Moments of a start, by what the supervisor has on record then. */
const moments: readonly (readonly [string, (state: RunState) => boolean])[] = [
  ["before anything runs, with the database still being made", () => true],
  ["with PostgreSQL up and control not ready", ({ processes }) => processes["control"] !== undefined],
  ["with control ready and the gateway not", ({ processes }) => processes["gateway"] !== undefined],
];

test.each(moments)("a stop during `up`, %s, leaves no process and no run on record", async (_, reached) => {
  const home = mkdtempSync(join(tmpdir(), "portolan-stop-"));
  chmodSync(home, 0o711); // so that the account PostgreSQL runs under can reach its folder in here
  const ports = ["--port", String(await freePort()), "--gateway-port", String(await freePort())];
  const up = spawn(process.execPath, [cliMain, "--home", home, "up", ...ports], { stdio: "ignore" });
  const ended = new Promise<string>((resolve) =>
    up.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`)),
  );
  try {
    while (up.exitCode === null) {
      const state = readLastState(home);
      if (state && reached(state)) {
        expect(state.ready, "it was ready before the test could stop it").toBe(false);
        break;
      }
      await sleep(5);
    }
    up.kill("SIGTERM");
    expect(await ended).toBe("exit code 0");
    expect(processesOf(home)).toEqual([]);
    expect(readLastState(home)).toBeUndefined();
  } finally {
    up.kill("SIGKILL");
    for (const pid of processesOf(home)) process.kill(pid, "SIGKILL");
    rmSync(home, { recursive: true, force: true });
  }
});
