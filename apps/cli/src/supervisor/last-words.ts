import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** The end of a log says why its process ended; the whole may be long. */
const tailBytes = 64 * 1024;

/** What a command that gave up said in the end: its own sentence and mend, without the lines of its log. */
export function lastSentence(file: string): string {
  const lines = tailOf(file);
  const start = lines.findLastIndex((line) => line.startsWith("portolan: "));
  return start < 0
    ? "it said nothing"
    : lines
        .slice(start, start + 2)
        .map((line) => line.trim())
        .join(". ")
        .slice("portolan: ".length);
}

/** The newest fault in a log of JSON lines, as its process put it. */
export function lastFault(file: string): string {
  const faults = tailOf(file).flatMap(faultOf);
  return faults.at(-1) ?? "it said nothing";
}

/** Pino's level of a fault after which a process ends; what Node itself prints before it ends is no JSON. */
const fatalLevel = 60;

function faultOf(line: string): string[] {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null || !("error" in entry) || !("level" in entry)) return [];
    return Number(entry.level) >= fatalLevel ? [String(entry.error)] : [];
  } catch {
    return /^[A-Za-z]*Error\b/.test(line) ? [line] : [];
  }
}

function tailOf(file: string): string[] {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(handle);
    const bytes = Buffer.alloc(Math.min(size, tailBytes));
    readSync(handle, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString("utf8").trimEnd().split("\n");
  } finally {
    closeSync(handle);
  }
}
