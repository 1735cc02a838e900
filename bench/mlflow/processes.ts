import { readdirSync, readFileSync } from "node:fs";
import { cpuOf } from "../gateway/load.ts";

interface Process {
  readonly pid: number;
  readonly parent: number;
}

function allProcesses(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "latin1");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        return [{ pid: Number(name), parent }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

/** The processes that this one has started itself. */
export function ownChildren(): number[] {
  return allProcesses()
    .filter(({ parent }) => parent === process.pid)
    .map(({ pid }) => pid);
}

/** These, and all that they and theirs have started. */
export function withDescendants(roots: readonly number[]): number[] {
  const all = allProcesses();
  const found = [...roots];
  for (let at = 0; at < found.length; at++)
    found.push(...all.filter(({ parent }) => parent === found[at]).map(({ pid }) => pid));
  return found;
}

/** CPU time of the processes that are still there, microseconds. */
export function cpuMicrosOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      return sum + cpuOf([pid]);
    } catch {
      return sum;
    }
  }, 0);
}
