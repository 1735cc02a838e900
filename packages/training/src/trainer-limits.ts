import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { processTree } from "@portolan/sandbox";

/** An empty file costs the disk as well. */
const leastFileBytes = 4096;

/** Blocks that the folders hold; stops counting above `most`, so that a million files do not hold up the server. */
export async function diskUsage(folders: readonly string[], most: number): Promise<number> {
  let bytes = 0;
  const open = [...folders];
  for (let path = open.pop(); path !== undefined && bytes <= most; path = open.pop()) {
    const found = await lstat(path).catch(() => undefined);
    if (!found) continue;
    bytes += Math.max(leastFileBytes, found.blocks * 512);
    if (!found.isDirectory()) continue;
    for (const name of await readdir(path).catch(() => [])) open.push(join(path, name));
  }
  return bytes;
}

interface TreeUse {
  /** What processes share is counted once for each of them. */
  readonly residentBytes: number;
  /** Exact; absent where it was not asked for. */
  readonly memoryBytes?: number;
  readonly cpuMicros: number;
}

/**
 * What a process and all its descendants hold in memory, and the processor time of them and of those that they waited for (Linux; elsewhere nothing).
 *
 * @param known resident bytes that need no exact answer
 */
export async function usageOf(pid: number, known: number): Promise<TreeUse> {
  const members = await processTree(pid);
  const cpuMicros = sum(members.map((one) => one.cpuMicros));
  const resident = sum(members.map((one) => one.residentBytes));
  if (resident <= known) return { residentBytes: resident, cpuMicros };
  // What forked processes share was counted once for each of them; asking for the exact share is slow, so only now.
  const memoryBytes = sum(await Promise.all(members.map(proportionalBytes)));
  return { residentBytes: resident, memoryBytes, cpuMicros };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function proportionalBytes(one: {
  readonly pid: number;
  readonly residentBytes: number;
}): Promise<number> {
  const text = await readFile(`/proc/${one.pid}/smaps_rollup`, "utf8").catch(() => "");
  const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? one.residentBytes : Number(kibibytes) * 1024;
}
