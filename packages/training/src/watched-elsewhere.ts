import type { AdmissionQueue } from "@portolan/capacity/contract";
import { type Clock, JobDeferred, type JobRun, type UnitOfWork } from "@portolan/kernel";
import { putBack } from "./attempt-store.ts";
import { type BackendTask, stopTrainerIntent } from "./backend.ts";

interface WatchDeps {
  readonly uow: UnitOfWork;
  readonly clock: Clock;
  readonly admission?: AdmissionQueue;
}

/**
 * Has a run elsewhere judged by what is seen of it there, and stopped where it does nothing and the quotas of its team say so.
 *
 * @throws JobDeferred where it was stopped: it waits for a person; and what `train` throws
 */
export async function watchedElsewhere<Outcome>(
  { uow, clock, admission }: WatchDeps,
  { call, signal }: Pick<JobRun, "call" | "signal">,
  runId: string,
  train: (look: BackendTask["look"]) => Promise<Outcome>,
): Promise<Outcome> {
  if (!admission) return train(undefined);
  const watch = admission.watchUse(runId, clock.now());
  let reason: string | undefined;
  // Not nothing: of a sum of 0 nobody knows whether anything was counted.
  let cpuMicros = 1;
  let seenAt: number | undefined;
  const look: NonNullable<BackendTask["look"]> = async (read) => {
    const { organisationId } = call.actor;
    if (!(await uow.read(call, (sql) => watch.isWanted(sql, organisationId)))) return undefined;
    const use = await read();
    return uow.write(call, async (tx) => {
      if (use) {
        cpuMicros += Math.round(use.busyCores * Math.max(0, tx.now - (seenAt ?? tx.now)));
        seenAt = tx.now;
      }
      const { busiestCard } = use ?? {};
      await watch.look(tx, use && { cpuMicros, ...(busiestCard === undefined ? {} : { busiestCard }) });
      const evicted = await admission.evictedBy(tx.sql, runId);
      reason = evicted?.isIdle === true ? evicted.reason : undefined;
      return reason;
    });
  };
  try {
    return await train(look);
  } catch (error) {
    if (reason === undefined || signal.aborted) throw error;
    const why = reason;
    await uow.write(call, async (tx) => {
      await putBack(tx.sql, runId);
      await admission.putBack(tx, runId);
      // Where the cluster could not be told it is until it has heard.
      await tx.intend(stopTrainerIntent, { runId });
      await tx.record({ event: "training.run.stopped", subject: runId, detail: { reason: why } });
    });
    throw new JobDeferred(clock.now(), `stopped (${why}); begins anew once somebody has it go on`);
  }
}
