import { spawn, spawnSync } from "node:child_process";
import { lstat, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { TrainingErrorCode } from "./errors.ts";
import { endTrainersOf, signalGroup } from "./stray-trainers.ts";

export interface TrainerTask {
  readonly interpreter: string;
  /** The program; copied read-only into the run's folder by the caller. */
  readonly code: string;
  readonly trainingSet: string;
  readonly paramsFile: string;
  /** The run's own folder; holds `output`, `checkpoint`, `trainer.log`. Kept over restarts. */
  readonly folder: string;
  readonly threads: number;
  readonly memoryLimitBytes: number;
  readonly cpuSeconds: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Time that a trainer has after SIGTERM to write its checkpoint; 20 s by default. */
  readonly graceMs?: number;
}

export interface TrainerOutcome {
  readonly model: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly log: string;
  /** Whether the kernel kept it off the network; false where that is not permitted. */
  readonly networkBlocked: boolean;
}

const defaultGraceMs = 20_000;

/**
 * Runs a trainer to its end: own session, empty environment, limits, no network where the kernel permits. On abort it gets
 * SIGTERM, time to checkpoint, then SIGKILL; a later call with the same folder resumes.
 *
 * @throws PortolanError `training.trainer_failed` when it ended by itself without a model or passed a limit: trying again would
 *   not help. `training.interrupted` when it was stopped or killed: it goes on from its checkpoint.
 */
export async function runTrainer(task: TrainerTask): Promise<TrainerOutcome> {
  const output = join(task.folder, "output");
  const checkpoint = join(task.folder, "checkpoint");
  // One that outlived a killed control process would write beside the new one.
  await endTrainersOf(checkpoint);
  // What an earlier attempt left is not this one's; the checkpoint is.
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  await mkdir(checkpoint, { recursive: true });
  if (task.signal.aborted) throw interrupted("before it started");
  const log = join(task.folder, "trainer.log");
  const networkBlocked = canBlockNetwork();
  const end = await supervise(task, { output, checkpoint, log, networkBlocked });
  await endTrainersOf(checkpoint);
  if (end.late) throw failed("the trainer took longer than its limit");
  if (end.aborted) throw interrupted("told to stop");
  if (end.signal === "SIGXCPU") throw failed("the trainer used more CPU time than its limit");
  if (end.signal !== null) throw interrupted(`killed by ${end.signal}`);
  if (end.code !== 0) throw failed(`the trainer ended with ${end.code}: ${await lastLines(log)}`);
  const model = join(output, "model.onnx");
  if (!(await isPlainFile(model))) throw failed(`the trainer left no model.onnx: ${await lastLines(log)}`);
  return { model, metrics: await readMetrics(join(output, "metrics.json")), log, networkBlocked };
}

interface Places {
  readonly output: string;
  readonly checkpoint: string;
  readonly log: string;
  readonly networkBlocked: boolean;
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly late: boolean;
  readonly aborted: boolean;
}

async function supervise(task: TrainerTask, places: Places): Promise<End> {
  // A file, not a pipe: the trainer outlives a killed control process for a moment, and must not die writing a line.
  const log = await open(places.log, "a");
  try {
    const [command = "sh", ...args] = commandOf(task, places.networkBlocked);
    const child = spawn(command, args, {
      cwd: task.folder,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      env: environmentOf(task, places),
    });
    const exit = new Promise<Pick<End, "code" | "signal">>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    const stop = stopper(child.pid, task);
    const end = await exit.finally(stop.release);
    // Whatever it started and left in its group goes with it.
    signalGroup(child.pid, "SIGKILL");
    return { ...end, late: stop.late(), aborted: stop.aborted() };
  } finally {
    await log.close();
  }
}

/** Both shells are replaced by exec: the process that is signalled is the trainer itself. */
function commandOf(task: TrainerTask, networkBlocked: boolean): string[] {
  // The hard limit is later: at the soft one the signal tells CPU time from any other kill.
  const cpu = `ulimit -S -t ${task.cpuSeconds}; ulimit -H -t ${task.cpuSeconds + 5}`;
  const limits = `ulimit -c 0; ${cpu}; ulimit -v ${Math.floor(task.memoryLimitBytes / 1024)}; exec "$@"`;
  const program = ["sh", "-c", limits, "sh", task.interpreter, task.code];
  return networkBlocked ? ["unshare", "-r", "-n", ...program] : program;
}

function environmentOf(task: TrainerTask, places: Places): NodeJS.ProcessEnv {
  const threads = String(task.threads);
  return {
    PATH: "/usr/bin:/bin",
    HOME: task.folder,
    TZ: "UTC",
    LC_ALL: "C.UTF-8",
    PYTHONHASHSEED: "0",
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    PORTOLAN_TRAINING_SET: task.trainingSet,
    PORTOLAN_PARAMS: task.paramsFile,
    PORTOLAN_OUTPUT: places.output,
    PORTOLAN_CHECKPOINT: places.checkpoint,
  };
}

function stopper(pid: number | undefined, task: TrainerTask) {
  let late = false;
  let aborted = task.signal.aborted;
  let kill: NodeJS.Timeout | undefined;
  const end = (): void => {
    signalGroup(pid, "SIGTERM");
    kill ??= setTimeout(() => signalGroup(pid, "SIGKILL"), task.graceMs ?? defaultGraceMs);
  };
  const onAbort = (): void => {
    aborted = true;
    end();
  };
  const timer = setTimeout(() => {
    late = true;
    end();
  }, task.timeoutMs);
  if (aborted) end();
  task.signal.addEventListener("abort", onAbort, { once: true });
  return {
    late: () => late,
    aborted: () => aborted,
    release: () => {
      clearTimeout(timer);
      clearTimeout(kill);
      task.signal.removeEventListener("abort", onAbort);
    },
  };
}

let networkAnswer: boolean | undefined;

/** Whether an unprivileged network namespace can be made here; asked once. */
function canBlockNetwork(): boolean {
  networkAnswer ??= spawnSync("unshare", ["-r", "-n", "true"], { stdio: "ignore" }).status === 0;
  return networkAnswer;
}

async function readMetrics(path: string): Promise<Record<string, number>> {
  if (!(await isPlainFile(path))) throw failed("the trainer left no metrics.json");
  const text = await readFile(path, "utf8");
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null && !Array.isArray(found)) {
      const entries = Object.entries(found);
      if (entries.every(([, value]) => typeof value === "number" && Number.isFinite(value)))
        return Object.fromEntries(entries) as Record<string, number>;
    }
  } catch {
    // NaN and Infinity, which Python writes, are no JSON: the answer below says what is wanted.
  }
  throw failed("metrics.json is not an object of finite numbers");
}

async function lastLines(log: string): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  return text.trim().split("\n").slice(-3).join(" | ").slice(-600);
}

function failed(detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.trainer_failed", {
    detail,
    mend: "Read its log with GET /v1/training-runs/<id>/logs.",
  });
}

function interrupted(how: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.interrupted", {
    detail: `the trainer was ${how}; its checkpoint is kept`,
    mend: "Nothing: the job goes on by itself.",
  });
}

/** A link would let the trainer have files published that it was never given. */
async function isPlainFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile() && found.size > 0,
    () => false,
  );
}
