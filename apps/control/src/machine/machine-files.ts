/** What Linux tells of a machine, as read at one moment. */
export interface MachineReading {
  /** Ticks of all processors since the start: those that they were busy, and all of them. */
  readonly ticks?: { readonly busy: number; readonly all: number };
  /** Bytes that are in use, and that there are. */
  readonly memory?: { readonly used: number; readonly all: number };
  /** Bytes received and sent since the start, without the loopback device. */
  readonly networkBytes?: number;
  /** Milliseconds that each disk was at work since the start, by name. */
  readonly diskMs?: ReadonlyMap<string, number>;
}

/** `/proc/stat`: busy is what is neither idle nor waiting for a disk. Guests are in user time already. Pure. */
export function readTicks(text: string): MachineReading["ticks"] {
  const fields = /^cpu +(.+)$/m.exec(text)?.[1]?.split(/ +/).slice(0, 8).map(Number);
  if (!fields || fields.length < 5 || fields.some((value) => !Number.isFinite(value))) return undefined;
  const all = fields.reduce((sum, value) => sum + value, 0);
  return { busy: all - (fields[3] ?? 0) - (fields[4] ?? 0), all };
}

/** `/proc/meminfo`. Pure. */
export function readMemory(text: string): MachineReading["memory"] {
  const kibibytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(text)?.[1]);
  const [all, available] = [kibibytes("MemTotal"), kibibytes("MemAvailable")];
  return Number.isFinite(all) && Number.isFinite(available) && all > 0
    ? { used: (all - available) * 1024, all: all * 1024 }
    : undefined;
}

/**
 * `memory.max`, `memory.current` and `memory.stat` of a cgroup (version 2): what may be given back, files that were read, is not in use. Undefined where there is
 * no bound. Pure.
 */
export function readGroupMemory(max: string, current: string, stat: string): MachineReading["memory"] {
  const [all, taken] = [Number(max.trim()), Number(current.trim())];
  const files = Number(/^inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
  return max.trim() !== "" && Number.isFinite(all) && all > 0 && Number.isFinite(taken)
    ? { used: Math.max(0, taken - files), all }
    : undefined;
}

/** `/proc/net/dev`. Pure. */
export function readNetwork(text: string): number | undefined {
  let bytes: number | undefined;
  for (const [, device, fields = ""] of text.matchAll(/^ *([^\s:]+): *(.+)$/gm)) {
    if (device === "lo") continue;
    const values = fields.split(/ +/).map(Number);
    bytes = (bytes ?? 0) + (values[0] ?? 0) + (values[8] ?? 0);
  }
  return bytes;
}

/** Devices in memory, images, and what is stacked on disks that are listed themselves. */
const noDisk = /^(loop|ram|zram|sr|fd|nbd|dm-|md)/;

/** `/proc/diskstats`: how long each disk has had requests in work, without partitions of disks. Pure. */
export function readDisks(text: string): ReadonlyMap<string, number> | undefined {
  const lines = text.split("\n").map((line) => line.trim().split(/ +/));
  const names = new Set(lines.map(([, , name = ""]) => name));
  const found = lines.flatMap(([, , name = "", ...counters]): [string, number][] => {
    const atWork = Number(counters[9]);
    return counters.length < 11 || !Number.isFinite(atWork) || noDisk.test(name) || isPartition(name, names)
      ? []
      : [[name, atWork]];
  });
  return found.length > 0 ? new Map(found) : undefined;
}

/** `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`; but `sda` of nothing. */
function isPartition(name: string, names: ReadonlySet<string>): boolean {
  const disk = /^(.*\d)p\d+$/.exec(name)?.[1] ?? /^(.*\D)\d+$/.exec(name)?.[1];
  return disk !== undefined && names.has(disk);
}
