import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** Longer than the kernel takes to end a process that got SIGKILL, unless it hangs in a device. */
const waitMs = 5_000;

/**
 * Ends every process that works on a checkpoint folder, also one that left its group or whose control process was killed before
 * it could note its pid. Processes are known by their environment, so that a reused pid is never hit. Needs `/proc` (Linux);
 * elsewhere it finds none.
 */
export async function endTrainersOf(checkpoint: string): Promise<void> {
  for (let waited = 0; waited < waitMs; waited += 20) {
    const found = await processesWith(`PORTOLAN_CHECKPOINT=${checkpoint}`);
    if (found.length === 0) return;
    for (const pid of found) kill(pid, "SIGKILL");
    await delay(20);
  }
}

/** Signals a whole process group; one that is gone already is what was wanted. */
export function signalGroup(pid: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid !== undefined) kill(-pid, signal);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}

async function processesWith(setting: string): Promise<number[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // A zombie has no environment any more, and other users' processes are not ours to read.
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(setting) ? Number(pid) : 0;
    }),
  );
  return found.filter((pid) => pid > 1 && pid !== process.pid);
}
