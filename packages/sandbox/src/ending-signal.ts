import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";

/** What `unshare` (util-linux) says when it cannot end itself by the signal that ended its child: SIGKILL, whose disposition nobody can set. */
const killedBehindWall = /^unshare: sigprocmask unblock failed/m;
const keptCharacters = 1000;

/** Keeps the last words of a child's standard error, and takes in the rest, so that it never waits for us. */
export function lastWords({ stderr }: Pick<ChildProcess, "stderr">): () => string {
  let kept = "";
  stderr?.setEncoding("latin1").on("data", (text: string) => {
    kept = (kept + text).slice(-keptCharacters);
  });
  return () => kept;
}

/**
 * The signal that ended a walled child, also where only the process that stands as the wall before it was seen to end. That one ends itself by the same
 * signal; what it cannot do for SIGKILL it says, with exit code 1. Where there is a shell between, the code is 128 and the signal's number.
 * @param said what came on its standard error at last
 */
export function endingSignal(
  code: number | null,
  signal: NodeJS.Signals | null,
  said: string,
): NodeJS.Signals | null {
  if (signal !== null || code === null) return signal;
  if (code === 1 && killedBehindWall.test(said)) return "SIGKILL";
  const [name] = Object.entries(constants.signals).find(([, number]) => number === code - 128) ?? [];
  return (name as NodeJS.Signals | undefined) ?? null;
}
