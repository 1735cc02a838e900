import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";

const pageBytes = 4096;
const intervalMs = 100;

/**
 * Kills a runner whose resident memory passes the bound. A limit by the kernel (`RLIMIT_AS`) does not work here: Node
 * reserves address space far beyond what it uses. Where `/proc` is missing (macOS), only deadlines bound a runner.
 */
export function watchMemory(child: ChildProcess, memoryBytes: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (child.pid !== undefined && residentBytes(child.pid) > memoryBytes) child.kill("SIGKILL");
  }, intervalMs);
  timer.unref();
  return timer;
}

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1] ?? 0) * pageBytes;
  } catch {
    return 0;
  }
}
