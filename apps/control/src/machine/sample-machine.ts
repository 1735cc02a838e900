import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { type CallContext, type Clock, microsPerSecond, type UnitOfWork } from "@portolan/kernel";
import { keepMachineMinutes, MachineMinutes, type MachineSample } from "@portolan/monitoring";
import { type MachineReading, readGroupMemory, readMemory, readNetwork, readTicks } from "./machine-files.ts";

export interface MachineSamplerDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  /** Of the process itself. */
  readonly call: () => CallContext;
  /** Text of a file; empty where there is none. Default: the machine's own. */
  readonly read?: (path: string) => Promise<string>;
}

/**
 * Looks at the machine at each call, and keeps a row a minute of what it saw (processors, memory, network). Where the files are not there, as on other
 * systems than Linux, nothing is kept. A minute that cannot be kept now is tried again with the next one.
 */
export function machineSampler({
  work,
  clock,
  call,
  read = textOf,
}: MachineSamplerDeps): () => Promise<void> {
  const minutes = new MachineMinutes();
  let waiting: ReturnType<MachineMinutes["take"]> = [];
  let before: (MachineReading & { readonly at: number }) | undefined;
  return async () => {
    const at = clock.now();
    const now = { ...(await readMachine(read)), at };
    minutes.add(at, sampleOf(now, before));
    before = now;
    waiting = [...waiting, ...minutes.take(at)].slice(-mostWaiting);
    if (waiting.length === 0) return;
    await keepMachineMinutes({ work }, call(), hostname(), waiting);
    waiting = [];
  };
}

/** An hour of three things. */
const mostWaiting = 180;

async function readMachine(read: (path: string) => Promise<string>): Promise<MachineReading> {
  const group = "/sys/fs/cgroup/memory";
  const [stat, memory, network, ...own] = await Promise.all(
    ["/proc/stat", "/proc/meminfo", "/proc/net/dev", `${group}.max`, `${group}.current`, `${group}.stat`].map(
      read,
    ),
  );
  const [max = "", current = "", files = ""] = own;
  const ticks = readTicks(stat ?? "");
  const used = readGroupMemory(max, current, files) ?? readMemory(memory ?? "");
  const networkBytes = readNetwork(network ?? "");
  return {
    ...(ticks ? { ticks } : {}),
    ...(used ? { memory: used } : {}),
    ...(networkBytes === undefined ? {} : { networkBytes }),
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
  };
}

function rise(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined || now < before ? undefined : now - before;
}

function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
