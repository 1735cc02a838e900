import { join } from "node:path";
import type { AdmissionQueue } from "@portolan/capacity/contract";
import {
  asPlace,
  type Clock,
  type Digest,
  JobDeferred,
  type ObjectStore,
  type UnitOfWork,
} from "@portolan/kernel";
import type { BackendOutcome, BackendTask, TrainingBackend } from "./backend.ts";
import { type EnvironmentDeps, ensureEnvironment, findPython } from "./environment.ts";
import { findIsolation, type Isolation } from "./isolation.ts";
import type { RunTracking } from "./ports.ts";
import { type PythonMinor, pythonMinors } from "./python.ts";
import { timeLeftMs, timeUsedUp } from "./time-limit.ts";
import { trackingSocketName } from "./tracking-address.ts";
import { defaultGraceMs, runTrainer, type TrainerOutcome, type TrainerTask } from "./trainer-process.ts";
import type { TrainerUsage } from "./trainer-usage.ts";
import { type PreemptionRules, WatchedAttempt } from "./watched-attempt.ts";

export interface ProcessBackendDeps {
  readonly uow: UnitOfWork;
  readonly preemption: PreemptionRules;
  /** Quotas of teams; without it nothing waits for any. */
  readonly admission?: AdmissionQueue;
  readonly clock: Clock;
  readonly objects: ObjectStore;
  readonly tracking: RunTracking;
  readonly environments: EnvironmentDeps;
  /** Commands to try for a Python, e.g. `python3.12`, best first. */
  readonly pythons: readonly string[];
  /** Folders that no trainer may see, but for what it is shown of them. */
  readonly hidden: readonly string[];
  /** How trainers run; by default the best that the machine permits. */
  readonly isolation?: Isolation;
}

/** Trainers as isolated processes of this machine, in environments that are built from their locks. */
export function processBackend(deps: ProcessBackendDeps): TrainingBackend {
  return {
    isolationLevel: async () => (deps.isolation ?? (await findIsolation())).level,
    train: (task) => trainHere(deps, task),
  };
}

async function trainHere(deps: ProcessBackendDeps, task: BackendTask): Promise<BackendOutcome> {
  const { request } = task;
  const locked = pythonMinors.filter((minor): minor is PythonMinor => request.locks[minor] !== undefined);
  const python = await findPython(deps.pythons, locked, deps.environments.installEnvironment);
  const lock = request.locks[python.minor] as Digest;
  await task.progress(0.1, `environment for Python ${python.version}`);
  const text = new TextDecoder().decode(await deps.objects.get(lock));
  const environment = await ensureEnvironment(deps.environments, text, python);
  await task.progress(
    0.3,
    environment.built ? "environment built; training" : "environment cached; training",
  );
  const { code, trainingSet, baseModel, paramsFile, folder, limits, signal } = task;
  const outcome = await tracked(deps, task, python.path, {
    interpreter: environment.interpreter,
    code,
    trainingSet,
    ...(baseModel === undefined ? {} : { baseModel }),
    paramsFile,
    folder,
    readable: [environment.folder, python.prefix],
    hidden: deps.hidden,
    ...limits,
    ...(deps.isolation ? { isolation: deps.isolation } : {}),
    signal,
  });
  const { metrics, log, isolation } = outcome;
  return {
    model: await deps.objects.putFile(outcome.model),
    metrics,
    log,
    lock,
    python: python.version,
    networkBlocked: isolation.networkBlocked,
    isolation: isolation.level,
  };
}

/**
 * Runs the trainer with a tracking address, which is there for as long as it runs.
 *
 * @throws JobDeferred where it was stopped: the run waits again, behind those of its priority, or for a person
 */
async function tracked(
  deps: ProcessBackendDeps,
  { call, runId, request, folder, signal }: BackendTask,
  /** The machine's own, not the environment's. */
  python: string,
  task: TrainerTask,
): Promise<TrainerOutcome> {
  const socket = join(folder, trackingSocketName);
  const { environment, useCaseId } = request;
  const { noticeMs } = deps.preemption;
  const lifetimeMs = task.timeoutMs + Math.max(defaultGraceMs, noticeMs);
  const session = await deps.tracking.open(
    call,
    { runId, environment, ...asPlace({ useCaseId }), lifetimeMs },
    socket,
  );
  try {
    const tracking = { runId, socket, token: session.token, python };
    const attempt = await WatchedAttempt.begin(deps, call, { id: runId, request, folder });
    const timeoutMs = timeLeftMs(task.timeoutMs, request, attempt.workedMicros);
    const onUsed = (used: TrainerUsage): void => attempt.noteUsed(used);
    const end = await attempt.run(
      (makeRoom) =>
        timeoutMs === 0
          ? Promise.reject(timeUsedUp(request))
          : runTrainer({ ...task, timeoutMs, tracking, makeRoom, noticeMs, onUsed }),
      signal,
    );
    if ("outcome" in end) return end.outcome;
    throw new JobDeferred(deps.clock.now(), `stopped (${end.preempted}); goes on from its checkpoint`);
  } finally {
    await session.close();
  }
}
