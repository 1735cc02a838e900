import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";

/**
 * The signal that ended a walled child, also where only the process that stands as the wall before it was seen to end. That one ends itself
 * by the same signal, which for SIGKILL it cannot (util-linux takes its disposition first): then its exit code is 1. Where there is a shell between, it is 128 and the
 * signal's number. A program that fails by itself is to end with another code than 1.
 */
export function endingSignal(
  { spawnargs }: Pick<ChildProcess, "spawnargs">,
  code: number | null,
  signal: NodeJS.Signals | null,
): NodeJS.Signals | null {
  if (signal !== null || code === null) return signal;
  if (code === 1 && spawnargs.includes("unshare")) return "SIGKILL";
  const [name] = Object.entries(constants.signals).find(([, number]) => number === code - 128) ?? [];
  return (name as NodeJS.Signals | undefined) ?? null;
}
