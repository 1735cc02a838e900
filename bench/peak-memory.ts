import { readdirSync, readFileSync } from "node:fs";

const mib = 2 ** 20;
const lookEveryMs = 50;

/** The largest resident set that a process has had, in bytes, its own code included: the kernel keeps it while the process lives. */
export function peakOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}

/** The same of whichever process below this one has had most. */
function peakBelow(): number {
  const parents = new Map<number, number>();
  const peaks = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    try {
      const status = readFileSync(`/proc/${name}/status`, "utf8");
      parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
      peaks.set(Number(name), peakOf(Number(name)));
    } catch {
      // It has ended.
    }
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && pid !== 0 && (parents.get(pid) === process.pid || isBelow(parents.get(pid)));
  return Math.max(0, ...[...peaks].filter(([pid]) => isBelow(pid)).map(([, peak]) => peak));
}

/** What a piece of work gives, and the most that a process below this one held while it ran, in bytes. */
export async function withPeakBelow<T>(work: () => Promise<T>): Promise<{ given: T; peakBytes: number }> {
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakBelow());
  }, lookEveryMs);
  try {
    const given = await work();
    return { given, peakBytes };
  } finally {
    clearInterval(timer);
  }
}

export function mibOf(bytes: number): string {
  return `${Math.round(bytes / mib)} MiB`;
}
