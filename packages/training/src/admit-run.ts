import { join } from "node:path";
import type { AdmissionQueue, QueuedWork } from "@portolan/capacity/contract";
import { opensAt } from "@portolan/capacity/policy";
import { type CallContext, type Clock, JobDeferred, type JobRun, type UnitOfWork } from "@portolan/kernel";
import { listAttempts, putBack } from "./attempt-store.ts";
import { type RemoteTrainingBackend, stopTrainerIntent, type TrainerLimits } from "./backend.ts";
import type { TrainingRunRequest, TrainingRunView } from "./contract.ts";
import { isPreemptible } from "./lost-work.ts";
import { findRun } from "./store.ts";
import { endTrainersOf } from "./stray-trainers.ts";
import type { PreemptionRules } from "./watched-attempt.ts";

export interface AdmitDeps {
  readonly uow: UnitOfWork;
  readonly clock: Clock;
  readonly workFolder: string;
  readonly limits: TrainerLimits;
  readonly preemption: PreemptionRules;
  /** Quotas of teams; without it nothing waits for any. */
  readonly admission?: AdmissionQueue;
  /** Another cluster, where what was begun goes on without this process. */
  readonly ray?: Pick<RemoteTrainingBackend, "hasBegun">;
}

/** A run of which the queue is asked. */
interface AskedRun {
  readonly id: string;
  readonly request: TrainingRunRequest;
  readonly priority: number;
  readonly preemptions?: number;
}

/** A run as the queue has it; undefined where nothing need be asked. On another cluster it asks for approval alone. */
export async function queuedRun(
  deps: Pick<AdmitDeps, "admission" | "limits" | "preemption" | "clock">,
  call: CallContext,
  run: AskedRun,
): Promise<QueuedWork | undefined> {
  const notBefore = opensAt(run.request, deps.clock.now());
  const work = workOfRun(deps, run);
  return deps.admission?.prepare(call, notBefore === undefined ? work : { ...work, notBefore });
}

/** A run as the queue is asked for it, whenever it may begin. Pure. */
export function workOfRun(
  { limits, preemption }: Pick<AdmitDeps, "limits" | "preemption">,
  { id, request, priority, preemptions = 0 }: AskedRun,
): Parameters<AdmissionQueue["prepare"]>[1] {
  return {
    id,
    kind: "training",
    environment: request.environment,
    ...(request.useCaseId === undefined ? {} : { useCaseId: request.useCaseId }),
    priority,
    isPreemptible: isPreemptible(request) && preemptions < preemption.mostPreemptions,
    ...(request.backend === "ray" ? { isElsewhere: true } : {}),
    request: request.resources,
    assumed: { cpu: limits.threads, memoryBytes: limits.memoryLimitBytes },
  };
}

/**
 * Lets a run's job go on once its time has come, and the quotas of its team have room for it. At work it is past both: a window that ends stops no
 * trainer.
 *
 * @throws JobDeferred while it has to wait: it holds up no other job meanwhile
 */
export async function admitRun(deps: AdmitDeps, job: JobRun, id: string): Promise<void> {
  const { admission, uow, workFolder } = deps;
  const found = await uow.read(job.call, async (sql) => {
    const run = await findRun(sql, job.call.actor.organisationId, id);
    const attempts = run ? await listAttempts(sql, id) : [];
    return run && { run, preemptions: attempts.filter(({ ending }) => ending === "preempted").length };
  });
  if (!found) return;
  const { run, preemptions } = found;
  const { request } = run;
  await requireTime(deps, job, run);
  const work = await queuedRun(deps, job.call, { id, request, priority: request.priority ?? 0, preemptions });
  if (!admission || !work) return;
  // What a killed control left at work must not go on beside what gets its place.
  await endTrainersOf(join(workFolder, id, "checkpoint"));
  const verdict = await uow.write(job.call, async (tx) => {
    const answer = await admission.ask(tx, work, job.id);
    if (answer.kind === "wait") {
      // Control was killed after it had decided that it goes, and before the cluster was told.
      if (request.backend === "ray" && run.state === "running")
        await tx.intend(stopTrainerIntent, { runId: id });
      await putBack(tx.sql, id);
    }
    return answer;
  });
  if (verdict.kind === "wait") throw new JobDeferred(verdict.until, verdict.note);
}

/**
 * On another cluster what was begun is at work, whatever became of control, and is past its window; what a killed control only meant to send is not, though
 * its row says that it runs.
 */
async function isAtWorkElsewhere(
  { ray }: Pick<AdmitDeps, "ray">,
  { id, request, state }: TrainingRunView,
): Promise<boolean> {
  if (request.backend !== "ray" || state !== "running" || !ray) return false;
  return ray.hasBegun(id);
}

/** Outside its windows a run has no part of the quota, and what a killed control left at work ends. */
async function requireTime(deps: AdmitDeps, job: JobRun, run: TrainingRunView): Promise<void> {
  const { admission, uow, clock, workFolder } = deps;
  const { id, request } = run;
  const until = opensAt(request, clock.now());
  if (until === undefined || (await isAtWorkElsewhere(deps, run))) return;
  await endTrainersOf(join(workFolder, id, "checkpoint"));
  await uow.write(job.call, async (tx) => {
    await putBack(tx.sql, id);
    await admission?.putBack(tx, id, until);
  });
  throw new JobDeferred(until, "waits for its window");
}
