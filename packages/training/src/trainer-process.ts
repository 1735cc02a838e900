import { spawn, spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { TrainingErrorCode } from "./errors.ts";

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
}

export interface TrainerOutcome {
  readonly model: string;
  readonly metrics: string;
  readonly log: string;
  /** Whether the kernel kept it off the network; false where that is not permitted. */
  readonly networkBlocked: boolean;
}

/** Time that a trainer has after SIGTERM to write its checkpoint. */
const graceMs = 20_000;

/**
 * Runs a trainer to its end: own session, empty environment, limits, no network where the kernel permits. On abort it gets
 * SIGTERM, time to checkpoint, then SIGKILL; a later call with the same folder resumes.
 *
 * @throws PortolanError `training.trainer_failed` or `training.interrupted`.
 */
export async function runTrainer(task: TrainerTask): Promise<TrainerOutcome> {
  const output = join(task.folder, "output");
  const checkpoint = join(task.folder, "checkpoint");
  await endOrphan(task.folder);
  await mkdir(output, { recursive: true });
  await mkdir(checkpoint, { recursive: true });
  const networkBlocked = canBlockNetwork();
  const limits = `ulimit -c 0; ulimit -t ${task.cpuSeconds}; ulimit -v ${Math.floor(task.memoryLimitBytes / 1024)}; exec "$@"`;
  const program = ["sh", "-c", limits, "sh", task.interpreter, task.code];
  const [command = "sh", ...args] = networkBlocked ? ["unshare", "-r", "-n", ...program] : program;
  const child = spawn(command, args, {
    cwd: task.folder,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: "/usr/bin:/bin",
      HOME: task.folder,
      TZ: "UTC",
      LC_ALL: "C.UTF-8",
      PYTHONHASHSEED: "0",
      PYTHONUNBUFFERED: "1",
      OMP_NUM_THREADS: String(task.threads),
      PORTOLAN_TRAINING_SET: task.trainingSet,
      PORTOLAN_PARAMS: task.paramsFile,
      PORTOLAN_OUTPUT: output,
      PORTOLAN_CHECKPOINT: checkpoint,
    },
  });
  const log = join(task.folder, "trainer.log");
  const logFile = createWriteStream(log, { flags: "a" });
  child.stdout.pipe(logFile, { end: false });
  child.stderr.pipe(logFile, { end: false });
  const exit = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
  if (child.pid !== undefined) await writeFile(join(task.folder, "trainer.pid"), String(child.pid));
  const stop = stopper(child.pid, task);
  const code = await exit.finally(() => {
    stop.release();
    logFile.end();
  });
  await rm(join(task.folder, "trainer.pid"), { force: true });
  if (stop.aborted()) throw interrupted();
  const outcome = {
    model: join(output, "model.onnx"),
    metrics: join(output, "metrics.json"),
    log,
    networkBlocked,
  };
  if (code !== 0 || !(await present(outcome.model)) || !(await present(outcome.metrics)))
    throw await failure(code, log, stop.late());
  return outcome;
}

function stopper(pid: number | undefined, task: TrainerTask) {
  let late = false;
  let aborted = task.signal.aborted;
  let kill: NodeJS.Timeout | undefined;
  const end = (): void => {
    signalGroup(pid, "SIGTERM");
    kill ??= setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
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

function signalGroup(pid: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/** A trainer of this very folder that outlived a killed control process would write beside the new one. */
async function endOrphan(folder: string): Promise<void> {
  const pid = Number(await readFile(join(folder, "trainer.pid"), "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 1) return;
  const where = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (where === folder) signalGroup(pid, "SIGKILL");
}

let networkAnswer: boolean | undefined;

/** Whether an unprivileged network namespace can be made here; asked once. */
function canBlockNetwork(): boolean {
  networkAnswer ??= spawnSync("unshare", ["-r", "-n", "true"], { stdio: "ignore" }).status === 0;
  return networkAnswer;
}

async function failure(code: number, log: string, late: boolean): Promise<PortolanError<TrainingErrorCode>> {
  const text = await readFile(log, "utf8").catch(() => "");
  const last = text.trim().split("\n").slice(-3).join(" | ").slice(-600);
  return new PortolanError("training.trainer_failed", {
    detail: late ? "the trainer took longer than its limit" : `the trainer ended with ${code}: ${last}`,
    mend: "Read its log with GET /v1/training-runs/<id>/logs.",
  });
}

function interrupted(): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.interrupted", {
    detail: "the trainer was told to stop; its checkpoint is kept",
    mend: "Nothing: the job goes on when the server is up again.",
  });
}

async function present(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.size > 0,
    () => false,
  );
}
