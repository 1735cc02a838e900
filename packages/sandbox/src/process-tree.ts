import { readdir, readFile } from "node:fs/promises";

export interface ProcessUse {
  readonly pid: number;
  readonly parent: number;
  readonly residentBytes: number;
  /** Of it and of those that it waited for. */
  readonly cpuMicros: number;
}

/**
 * A process and all its descendants, as they are now (Linux; elsewhere none). In a process table of its own nobody leaves this tree; without one, a
 * process whose parent ended does.
 */
export async function processTree(pid: number): Promise<ProcessUse[]> {
  const names = (await readdir("/proc").catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
  const processes = await Promise.all(names.map(readProcess));
  const tree = new Set([pid]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const one of processes)
      if (one && tree.has(one.parent) && !tree.has(one.pid)) {
        tree.add(one.pid);
        grew = true;
      }
  }
  return processes.flatMap((one) => (one && tree.has(one.pid) ? [one] : []));
}

const pageBytes = 4096;
/** The kernel tells times to programs in hundredths of a second, whatever it counts in. */
const microsPerTick = 10_000;

async function readProcess(name: string): Promise<ProcessUse | undefined> {
  const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
  // The command's name may hold blanks and brackets; the fields behind its last bracket do not. proc(5): ppid is 4, utime, stime,
  // cutime and cstime are 14 to 17, rss 24.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields.length < 22) return undefined;
  return {
    pid: Number(name),
    parent: Number(fields[1]),
    residentBytes: Number(fields[21]) * pageBytes,
    cpuMicros: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) * microsPerTick,
  };
}
