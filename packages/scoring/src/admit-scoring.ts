import type { AdmissionQueue, QueuedWork } from "@portolan/capacity/contract";
import { opensAt } from "@portolan/capacity/policy";
import {
  asEpochMicros,
  type CallContext,
  type Clock,
  type EpochMicros,
  JobDeferred,
  type JobRun,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Scoring, ScoringRequest } from "./contract.ts";
import { markRunning, markWaiting } from "./store.ts";

/** What scores a chunk, at most. */
export const assumedOfScoring = { cpu: 1, memoryBytes: 4 * 2 ** 30 };

interface AdmitDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly admission?: AdmissionQueue;
}

/** A scoring as the queue has it; undefined where there are no quotas. */
export async function queuedScoring(
  { admission, clock }: Pick<AdmitDeps, "admission" | "clock">,
  call: CallContext,
  {
    id,
    request,
    useCaseId,
  }: { readonly id: string; readonly request: ScoringRequest; readonly useCaseId: string },
): Promise<QueuedWork | undefined> {
  const notBefore = opensAt(request, clock.now());
  return admission?.prepare(call, {
    id,
    kind: "scoring",
    environment: request.environment,
    useCaseId,
    priority: request.priority ?? 0,
    // Between two chunks it can stop, and loses nothing.
    isPreemptible: true,
    ...(notBefore === undefined ? {} : { notBefore }),
    request: request.resources,
    assumed: assumedOfScoring,
  });
}

/**
 * Lets a scoring go on with its next chunk once, and for as long as, the quotas of its team have room for it. Outside its window it asks for nothing.
 *
 * @throws JobDeferred while it has to wait
 */
export async function admitScoring(deps: AdmitDeps, job: JobRun, scoring: Scoring): Promise<void> {
  const { admission, clock, work } = deps;
  if (!admission) return;
  const { id, request, plan } = scoring;
  const queued = await queuedScoring(deps, job.call, { id, request, useCaseId: plan.useCaseId });
  if (!queued) return;
  if (queued.notBefore !== undefined) {
    await stepAside(deps, job, id, queued.notBefore);
    throw new JobDeferred(queued.notBefore, "waits for its window");
  }
  const verdict = await work.write(job.call, async (tx) => {
    const evicted = await admission.evictedBy(tx.sql, id);
    if (evicted === undefined) {
      const answer = await admission.ask(tx, queued, job.id);
      if (answer.kind === "wait") await markWaiting(tx.sql, id);
      else await markRunning(tx.sql, id);
      return answer;
    }
    await admission.putBack(tx, id);
    await markWaiting(tx.sql, id);
    const event = evicted.isIdle ? "scoring.run.stopped" : "scoring.run.preempted";
    await tx.record({ event, subject: id, detail: { reason: evicted.reason } });
    return {
      kind: "wait",
      note: evicted.isIdle ? `stopped (${evicted.reason})` : `made room (${evicted.reason})`,
      until: asEpochMicros(clock.now()),
    } as const;
  });
  if (verdict.kind === "wait") throw new JobDeferred(verdict.until, verdict.note);
}

/** It stops for a while by itself: others may have its part meanwhile. */
export async function stepAside(
  { admission, work }: AdmitDeps,
  job: JobRun,
  id: string,
  until: EpochMicros,
): Promise<void> {
  if (admission) await work.write(job.call, (tx) => admission.putBack(tx, id, until));
}
