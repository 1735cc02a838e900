import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { type CallContext, type Clock, microsPerSecond, type UnitOfWork } from "@portolan/kernel";
import { keepMachineMinutes, MachineMinutes, type MachineSample } from "@portolan/monitoring";
import {
  type MachineReading,
  readDisks,
  readGroupMemory,
  readMemory,
  readNetwork,
  readTicks,
} from "./machine-files.ts";
import type { CardLoad } from "./watch-cards.ts";

export interface MachineSamplerDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  /** Of the process itself. */
  readonly call: () => CallContext;
  /** Text of a file; empty where there is none. Default: the machine's own. */
  readonly read?: (path: string) => Promise<string>;
  /** What its graphics cards do now. Default: it has none. */
  readonly cards?: () => CardLoad | undefined;
}

/**
 * Looks at the machine at each call, and keeps a row a minute of what it saw (processors, memory, network, disks, graphics cards). Where the files are not there, as on other
 * systems than Linux, nothing is kept. A minute that cannot be kept now is tried again with the next one.
 */
export function machineSampler({
  work,
  clock,
  call,
  read = textOf,
  cards = () => undefined,
}: MachineSamplerDeps): () => Promise<void> {
  const minutes = new MachineMinutes();
  let waiting: ReturnType<MachineMinutes["take"]> = [];
  let before: (MachineReading & { readonly at: number }) | undefined;
  return async () => {
    const at = clock.now();
    const now = { ...(await readMachine(read)), at };
    minutes.add(at, { ...sampleOf(now, before), ...cardSample(cards()) });
    before = now;
    waiting = [...waiting, ...minutes.take(at)].slice(-mostWaiting);
    if (waiting.length === 0) return;
    await keepMachineMinutes({ work }, call(), hostname(), waiting);
    waiting = [];
  };
}

/** An hour of six things. */
const mostWaiting = 360;

function cardSample({ atWork, memory }: CardLoad = {}): MachineSample {
  return {
    ...(atWork === undefined ? {} : { cards: atWork }),
    ...(memory === undefined ? {} : { cardMemory: memory }),
  };
}

async function readMachine(read: (path: string) => Promise<string>): Promise<MachineReading> {
  const group = "/sys/fs/cgroup/memory";
  const [stat, memory, network, diskstats, ...own] = await Promise.all(
    [
      "/proc/stat",
      "/proc/meminfo",
      "/proc/net/dev",
      "/proc/diskstats",
      `${group}.max`,
      `${group}.current`,
      `${group}.stat`,
    ].map(read),
  );
  const [max = "", current = "", files = ""] = own;
  const ticks = readTicks(stat ?? "");
  const used = readGroupMemory(max, current, files) ?? readMemory(memory ?? "");
  const networkBytes = readNetwork(network ?? "");
  const diskMs = readDisks(diskstats ?? "");
  return {
    ...(ticks ? { ticks } : {}),
    ...(used ? { memory: used } : {}),
    ...(networkBytes === undefined ? {} : { networkBytes }),
    ...(diskMs ? { diskMs } : {}),
  };
}

/** What is told between two looks. Counters that went back began anew: of them nothing is known. */
export function sampleOf(
  now: MachineReading & { readonly at: number },
  before: (MachineReading & { readonly at: number }) | undefined,
): MachineSample {
  const memory = now.memory && (100 * now.memory.used) / now.memory.all;
  const ticks = rise(now.ticks?.all, before?.ticks?.all);
  const busy = rise(now.ticks?.busy, before?.ticks?.busy);
  const bytes = rise(now.networkBytes, before?.networkBytes);
  const seconds = before ? (now.at - before.at) / microsPerSecond : 0;
  return {
    ...(memory === undefined ? {} : { memory }),
    ...(ticks && busy !== undefined ? { processors: (100 * busy) / ticks } : {}),
    ...(bytes !== undefined && seconds > 0 ? { network: bytes / seconds } : {}),
    ...busiestDisk(now.diskMs, before?.diskMs, seconds),
  };
}

/** Of disks that were there at both looks. */
function busiestDisk(
  now: MachineReading["diskMs"],
  before: MachineReading["diskMs"],
  seconds: number,
): MachineSample {
  const rises = [...(now ?? [])].flatMap(([name, ms]) => rise(ms, before?.get(name)) ?? []);
  if (rises.length === 0 || seconds <= 0) return {};
  // The kernel counts in its own steps: a disk that was at work all the time may seem to have had a little more of it.
  return { disks: Math.min(100, Math.max(...rises) / (10 * seconds)) };
}

function rise(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined || now < before ? undefined : now - before;
}

function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
