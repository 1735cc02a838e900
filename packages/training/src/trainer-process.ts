import { spawn } from "node:child_process";
import { chmod, chown, copyFile, lchown, link, mkdir, open, rm } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import { leastPriority, niceCommand, ProcessorDemand, systemPath } from "@portolan/sandbox";
import type { TrainingErrorCode } from "./errors.ts";
import { findIsolation, type Isolation, isolatedCommand, uidOf } from "./isolation.ts";
import { endTrainersOf, signalGroup } from "./stray-trainers.ts";
import {
  addressEnvironment,
  forwarded,
  prepareAddress,
  type TrackingAddress,
  visibleOf,
} from "./tracking-address.ts";
import { diskUsage, usageOf } from "./trainer-limits.ts";
import { failed, lastLines, readOutput } from "./trainer-output.ts";
import { childrenMicros, measuredCommand, type TrainerUsage, textOf } from "./trainer-usage.ts";

export interface TrainerTask {
  readonly interpreter: string;
  /** The program; copied read-only into the run's folder by the caller. */
  readonly code: string;
  readonly trainingSet: string;
  /** The model that it starts from; absent: from nothing. */
  readonly baseModel?: string;
  readonly paramsFile: string;
  /** The run's own folder; holds `output`, `checkpoint`, `scratch`, `trainer.log`. Kept over restarts. */
  readonly folder: string;
  /** What the interpreter needs beyond the system's libraries: its environment and the Python below it. */
  readonly readable: readonly string[];
  /** Folders with keys and other people's data: out of its sight. */
  readonly hidden: readonly string[];
  readonly threads: number;
  /** Of one process, and of all of them together. */
  readonly memoryLimitBytes: number;
  /** Of all that it writes. */
  readonly diskLimitBytes: number;
  readonly cpuSeconds: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Time that a trainer has after SIGTERM to write its checkpoint; 20 s by default. */
  readonly graceMs?: number;
  /** Aborted when it is to make room for another run: SIGTERM, `noticeMs`, SIGKILL. One that ends with its model meanwhile has finished. */
  readonly makeRoom?: AbortSignal;
  /** Two minutes by default. */
  readonly noticeMs?: number;
  /** Told what it used so far, now and then and at its end, however it ended. */
  readonly onUsed?: (used: TrainerUsage) => void;
  /** By default the best that this machine permits. */
  readonly isolation?: Isolation;
  /** The one address that it may reach; absent: none. The interpreter is a Python then. */
  readonly tracking?: TrackingAddress;
}

export interface ProgramOutcome {
  /** The folder with what it left. */
  readonly output: string;
  readonly log: string;
  readonly isolation: Isolation;
}

export interface TrainerOutcome extends Omit<ProgramOutcome, "output"> {
  readonly model: string;
  readonly metrics: Readonly<Record<string, number>>;
}

/** By run folder: of two calls for one, as after a lost lease, the later one's trainer is to stay. */
const latestCalls = new Map<string, TrainerTask>();

/** What a trainer has after SIGTERM, unless its task says otherwise. */
export const defaultGraceMs = 20_000;
/** What a trainer has that is to make room, unless its task says otherwise. */
const defaultNoticeMs = 120_000;
const usagePollMs = 500;

/**
 * Runs a trainer to its end: own session, empty environment, limits, isolated as far as the machine permits. On abort it gets
 * SIGTERM, time to checkpoint, then SIGKILL; a later call with the same folder resumes.
 *
 * @throws PortolanError `training.trainer_failed` when it ended by itself without a model or passed a limit: trying again would
 *   not help. `training.interrupted` when it was stopped or killed: it goes on from its checkpoint.
 */
export async function runTrainer(task: TrainerTask): Promise<TrainerOutcome> {
  const { output, log, isolation } = await runProgram(task);
  return { ...(await readOutput(output, log)), log, isolation };
}

/** As `runTrainer`, for a program that leaves something else: whoever calls reads its output, as that of a stranger. */
export async function runProgram(task: TrainerTask): Promise<ProgramOutcome> {
  const { folder } = task;
  const places = {
    output: join(folder, "output"),
    checkpoint: join(folder, "checkpoint"),
    scratch: join(folder, "scratch"),
    log: join(folder, "trainer.log"),
    trainingSet: task.trainingSet,
    ...(task.baseModel === undefined ? {} : { baseModel: task.baseModel }),
    isolation: task.isolation ?? (await findIsolation()),
  };
  const { output, checkpoint, log } = places;
  latestCalls.set(folder, task);
  // One that outlived a killed control process would write beside the new one.
  await endTrainersOf(checkpoint);
  // What an earlier attempt left is not this one's; the checkpoint is.
  await preparePlaces(task, places);
  if (task.signal.aborted) throw interrupted("before it started");
  const end = await supervise(task, await handOver(folder, places));
  // A later call for the same folder ended this one's trainer and has one of its own there.
  if (latestCalls.get(folder) === task) {
    await endTrainersOf(checkpoint);
    latestCalls.delete(folder);
  }
  if (end.late) throw failed("the trainer took longer than its limit");
  if (end.excess) throw failed(`the trainer used more ${end.excess} than its limit`);
  if (end.aborted) throw interrupted("told to stop");
  if (end.preempted && end.code !== 0) throw interrupted("told to make room");
  if (end.signal === "SIGXCPU") throw failed("the trainer used more CPU time than its limit");
  if (end.signal !== null && outsideSignals.has(end.signal)) throw interrupted(`killed by ${end.signal}`);
  if (end.signal !== null) throw failed(`the trainer crashed (${end.signal}): ${await lastLines(log)}`);
  if (end.code !== 0) throw failed(`the trainer ended with ${end.code}: ${await lastLines(log)}`);
  return { output, log, isolation: places.isolation };
}

/** What others send; any other signal is a fault of the trainer's own, and would come again. */
const outsideSignals: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]);

interface Places {
  readonly output: string;
  readonly checkpoint: string;
  readonly scratch: string;
  readonly log: string;
  readonly trainingSet: string;
  readonly baseModel?: string;
  readonly isolation: Isolation;
}

/**
 * An account of its own reaches nothing in the object store: its training set and the model that it starts from are given to it by other names.
 * Where names can be shown one by one, it is not needed.
 */
async function handOver(folder: string, places: Places): Promise<Places> {
  if (places.isolation.level !== "account") return places;
  const given = async (from: string, name: string): Promise<string> => {
    const path = join(folder, name);
    await rm(path, { force: true });
    await link(from, path).catch(() => copyFile(from, path));
    return path;
  };
  const { trainingSet, baseModel } = places;
  return {
    ...places,
    trainingSet: await given(trainingSet, "training-set"),
    ...(baseModel === undefined ? {} : { baseModel: await given(baseModel, "base-model") }),
  };
}

/** The trainer's account owns what it writes to and nothing else: not its program, nor the folder that holds it. */
async function preparePlaces({ folder, tracking }: TrainerTask, places: Places): Promise<void> {
  const { output, checkpoint, scratch, isolation } = places;
  for (const path of [output, scratch]) await rm(path, { recursive: true, force: true });
  const uid = isolation.ownAccount ? uidOf(folder) : undefined;
  if (uid !== undefined) {
    await chown(folder, 0, uid);
    await chmod(folder, 0o710);
  }
  for (const path of [output, checkpoint, scratch]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
    if (uid !== undefined) await lchown(path, uid, uid);
  }
  if (tracking) await prepareAddress(folder, tracking, uid);
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly late: boolean;
  readonly aborted: boolean;
  readonly preempted: boolean;
  /** What it used too much of. */
  readonly excess?: "memory" | "disk";
}

async function supervise(task: TrainerTask, places: Places): Promise<End> {
  // A file, not a pipe: the trainer outlives a killed control process for a moment, and must not die writing a line.
  const log = await open(places.log, "a", 0o600);
  try {
    const [command = "sh", ...args] = measuredCommand(commandOf(task, places));
    const child = spawn(command, args, {
      cwd: task.folder,
      detached: true,
      stdio: ["ignore", log.fd, log.fd, "pipe"],
      env: environmentOf(task, places),
    });
    const exit = new Promise<Pick<End, "code" | "signal">>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(endOf(code, signal)));
    });
    const [, , , times] = child.stdio;
    const said = times instanceof Readable ? textOf(times) : "";
    const stop = stopper(child.pid, task);
    const watch = watchUsage(child.pid, task, places);
    const end = await exit.finally(stop.release);
    const { excess, seen } = await watch.release();
    // Whatever it started and left in its group goes with it.
    signalGroup(child.pid, "SIGKILL");
    // Of what was killed with its shell nobody says more than was seen.
    const cpuMicros = Math.max(seen.cpuMicros, childrenMicros(await said) ?? 0);
    task.onUsed?.({ ...seen, cpuMicros });
    const { late, aborted, preempted } = stop.why();
    return { ...end, late, aborted, preempted, ...(excess ? { excess } : {}) };
  } finally {
    await log.close();
  }
}

/** A shell that waited for it says 128 and the number of the signal that ended it. */
function endOf(code: number | null, signal: NodeJS.Signals | null): Pick<End, "code" | "signal"> {
  const signals = Object.entries(constants.signals) as [NodeJS.Signals, number][];
  const name = signals.find(([, number]) => code === 128 + number)?.[0];
  return name === undefined ? { code, signal } : { code: null, signal: name };
}

function commandOf(task: TrainerTask, places: Places): string[] {
  const { folder, tracking } = task;
  const { output, checkpoint, scratch, isolation } = places;
  // The hard limit is later: at the soft one the signal tells CPU time from any other kill.
  const cpu = `ulimit -S -t ${task.cpuSeconds}; ulimit -H -t ${task.cpuSeconds + 5}`;
  const files = `ulimit -f ${Math.floor(task.diskLimitBytes / 512)}`;
  const limits = `ulimit -c 0; ${files}; ${cpu}; ulimit -v ${Math.floor(task.memoryLimitBytes / 1024)}; exec "$@"`;
  const given = [
    task.code,
    places.trainingSet,
    ...(places.baseModel === undefined ? [] : [places.baseModel]),
    task.paramsFile,
    ...(tracking ? visibleOf(folder, tracking) : []),
  ];
  const view = {
    folder,
    readable: [...task.readable, ...given],
    writable: [output, checkpoint, scratch],
    scratch,
    hidden: task.hidden,
    ...(tracking ? { loopback: tracking.python } : {}),
  };
  const program = [task.interpreter, task.code];
  const command = tracking ? forwarded(folder, tracking, program) : program;
  // Who asks a gateway on the same machine goes before who trains there.
  const modest = niceCommand(leastPriority);
  return isolatedCommand(isolation, view, [...modest, "sh", "-c", limits, "sh", ...command]);
}

function environmentOf(task: TrainerTask, places: Places): NodeJS.ProcessEnv {
  const threads = String(task.threads);
  return {
    PATH: systemPath,
    HOME: places.scratch,
    TMPDIR: places.scratch,
    TZ: "UTC",
    LC_ALL: "C.UTF-8",
    PYTHONHASHSEED: "0",
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    PORTOLAN_TRAINING_SET: places.trainingSet,
    ...(places.baseModel === undefined ? {} : { PORTOLAN_BASE_MODEL: places.baseModel }),
    PORTOLAN_PARAMS: task.paramsFile,
    PORTOLAN_OUTPUT: places.output,
    PORTOLAN_CHECKPOINT: places.checkpoint,
    ...(task.tracking ? addressEnvironment(task.tracking) : {}),
  };
}

/** Ends a trainer by SIGTERM and, after a while, SIGKILL: at its time limit, when it is told to stop, when it is to make room. */
function stopper(pid: number | undefined, task: TrainerTask) {
  const why = { late: false, aborted: false, preempted: false };
  let kill: { readonly timer: NodeJS.Timeout; readonly afterMs: number } | undefined;
  const end = (reason: keyof typeof why, afterMs: number): void => {
    why[reason] = true;
    signalGroup(pid, "SIGTERM");
    // Whoever has a shorter time to give wins: control that ends does not wait for a notice.
    if (kill && kill.afterMs <= afterMs) return;
    clearTimeout(kill?.timer);
    kill = { timer: setTimeout(() => signalGroup(pid, "SIGKILL"), afterMs), afterMs };
  };
  const graceMs = task.graceMs ?? defaultGraceMs;
  const onAbort = (): void => end("aborted", graceMs);
  const onMakeRoom = (): void => end("preempted", task.noticeMs ?? defaultNoticeMs);
  const timer = setTimeout(() => end("late", graceMs), task.timeoutMs);
  if (task.makeRoom?.aborted) onMakeRoom();
  if (task.signal.aborted) onAbort();
  task.makeRoom?.addEventListener("abort", onMakeRoom, { once: true });
  task.signal.addEventListener("abort", onAbort, { once: true });
  return {
    why: () => why,
    release: () => {
      clearTimeout(timer);
      clearTimeout(kill?.timer);
      task.makeRoom?.removeEventListener("abort", onMakeRoom);
      task.signal.removeEventListener("abort", onAbort);
    },
  };
}

/** The kernel limits one process and one file at a time; this is for all of them together. */
function watchUsage(pid: number | undefined, task: TrainerTask, places: Places) {
  let excess: End["excess"];
  let seen: TrainerUsage = { cpuMicros: 0, peakMemoryBytes: 0 };
  let mostResident = 0;
  const demand = pid === undefined ? undefined : new ProcessorDemand(pid);
  let released = false;
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const { output, checkpoint, scratch, log } = places;
  const look = async (): Promise<void> => {
    const disk = await diskUsage([output, checkpoint, scratch, log], task.diskLimitBytes);
    if (disk > task.diskLimitBytes) excess = "disk";
    if (pid === undefined || excess) return;
    const known = Math.min(mostResident, task.memoryLimitBytes);
    const { residentBytes, memoryBytes = 0, cpuMicros } = await usageOf(pid, known);
    mostResident = Math.max(mostResident, residentBytes);
    seen = {
      cpuMicros: Math.max(seen.cpuMicros, cpuMicros),
      peakMemoryBytes: Math.max(seen.peakMemoryBytes, memoryBytes),
    };
    if (memoryBytes > task.memoryLimitBytes) excess = "memory";
    const demandMicros = task.onUsed && (await demand?.look());
    task.onUsed?.({ ...seen, ...(demandMicros === undefined ? {} : { demandMicros }) });
  };
  const watching = (async () => {
    while (!released && !excess) {
      await look();
      if (!excess) await Promise.race([delay(usagePollMs), over]);
    }
    if (excess) signalGroup(pid, "SIGKILL");
  })();
  return {
    release: async (): Promise<{ readonly excess: End["excess"]; readonly seen: TrainerUsage }> => {
      released = true;
      end();
      await watching;
      return { excess, seen };
    },
  };
}

function interrupted(how: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.interrupted", {
    detail: `the trainer was ${how}; its checkpoint is kept`,
    mend: "Nothing: the job goes on by itself.",
  });
}
