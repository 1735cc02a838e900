import { readFile, readlink, realpath, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";

/**
 * Ends a server that outlived its supervisor (kill -9 of `portolan up`), and removes the pid file of one that is
 * gone: PostgreSQL would refuse to start when the pid meanwhile belongs to another process.
 */
export async function endOrphan(data: string): Promise<void> {
  const path = join(data, "postmaster.pid");
  const pid = await readPid(path);
  if (pid === undefined) return;
  if (!(await servesFolder(pid, data))) {
    await unlink(path).catch(() => undefined);
    return;
  }
  // SIGINT: roll back, checkpoint, exit. SIGQUIT: exit now, recover from the log at the next start.
  for (const [signal, waitMs] of [
    ["SIGINT", 15_000],
    ["SIGQUIT", 10_000],
  ] as const) {
    send(pid, signal);
    for (let waited = 0; waited < waitMs; waited += 50) {
      if (!isReachable(pid)) return;
      await delay(50);
    }
  }
  throw new PortolanError("database.locked", {
    detail: `process ${pid} serves ${data} and does not stop`,
    mend: `End process ${pid}, then start again.`,
  });
}

async function readPid(path: string): Promise<number | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const pid = Number.parseInt(text.split("\n")[0] ?? "", 10);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

/** PostgreSQL works in its data folder, so its working directory tells it from a stranger with the same pid. */
async function servesFolder(pid: number, data: string): Promise<boolean> {
  if (!isReachable(pid)) return false;
  if (process.platform !== "linux") return true;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  return folder === (await realpath(data));
}

function isReachable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between the look and the signal, which is what was wanted.
  }
}
