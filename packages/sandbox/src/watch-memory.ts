import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const pageBytes = 4096;
const intervalMs = 100;

/**
 * Calls `onBeyond` once when the resident memory of a child, or of what its wall runs, passes the bound. Where `/proc` is missing
 * (macOS), nothing is watched.
 */
export function watchMemory(child: ChildProcess, memoryBytes: number, onBeyond: () => void): NodeJS.Timeout {
  let inner: number | undefined;
  const timer = setInterval(() => {
    if (child.pid === undefined) return;
    inner ??= onlyChildOf(child.pid);
    const bytes = residentBytes(child.pid) + (inner === undefined ? 0 : residentBytes(inner));
    if (bytes <= memoryBytes) return;
    clearInterval(timer);
    onBeyond();
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

/** A wall that makes a process table waits outside it for the one program that it runs. */
function onlyChildOf(pid: number): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    return first ? Number(first) : undefined;
  } catch {
    return scanForChildOf(pid);
  }
}

/** For kernels without that file. */
function scanForChildOf(pid: number): number | undefined {
  try {
    const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
    return children[0] === undefined ? undefined : Number(children[0]);
  } catch {
    return undefined;
  }
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command's name may hold blanks and brackets; the fields behind its last bracket do not.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
