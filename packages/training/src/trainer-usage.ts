import type { Readable } from "node:stream";

/** What a trainer and all that it started have used. */
export interface TrainerUsage {
  readonly cpuMicros: number;
  /** Processor time that they had or stood in line for, by which they are judged idle: beside other work a trainer gets little of it. Absent once they ended. */
  readonly demandMicros?: number;
  /** The most that they were seen to hold at once. */
  readonly peakMemoryBytes: number;
}

/**
 * The command, run by a shell outside the walls that says on file descriptor 3 what it and all that it waited for have used. The shell outlives SIGTERM,
 * says 128 and the number of the signal that ended the command, and keeps its own words out of the log; the command has none of the shell's files. Pure.
 */
export function measuredCommand(command: readonly string[]): readonly string[] {
  return ["sh", "-c", measured, "sh", ...command];
}

// In a subshell, which redirects for itself: of a command that a signal ended dash says so wherever it sent the command's errors.
const measured =
  'trap : TERM; exec 4>&2 2>/dev/null; (exec 2>&4 3>&- 4>&-; exec "$@"); code=$?; times >&3; exit $code';

/** Processor time of the children, of what POSIX has `times` print: a line for the shell, a line for its children. Pure. */
export function childrenMicros(times: string): number | undefined {
  const [, own, system] = /^[^\n]*\n(\S+) (\S+)\s*$/.exec(times) ?? [];
  const [user, kernel] = [own, system].map(microsOf);
  return user === undefined || kernel === undefined ? undefined : user + kernel;
}

function microsOf(text: string | undefined): number | undefined {
  const [, minutes, seconds] = /^(\d+)m(\d+(?:\.\d+)?)s$/.exec(text ?? "") ?? [];
  return minutes === undefined || seconds === undefined
    ? undefined
    : Math.round((Number(minutes) * 60 + Number(seconds)) * 1e6);
}

/** All that a shell says here is short; whatever else comes is not kept. */
const mostBytes = 1_000;

/** Reads it while the command runs; resolves once nobody can write to it any more. */
export async function textOf(stream: Readable): Promise<string> {
  let text = "";
  try {
    for await (const part of stream) if (text.length < mostBytes) text += String(part);
  } catch {
    // A pipe that broke says nothing.
  }
  return text;
}
