import { asPlace, type CallContext, PortolanError } from "@portolan/kernel";
import { askToMakeRoom, listAttempts } from "./attempt-store.ts";
import type { TrainingRunView } from "./contract.ts";
import type { TrainingErrorCode } from "./errors.ts";
import { isPreemptible } from "./lost-work.ts";
import { readTrainingRun, type TrainingDeps } from "./training-runs.ts";

/**
 * Has a run's trainer make room: SIGTERM, the notice, SIGKILL. The run waits again, behind those of its priority that wait already, and goes on
 * from its checkpoint.
 *
 * @throws PortolanError `training.not_preemptible` where it does not run, is not preemptible, or has made room as often as it must
 */
export async function preemptTrainingRun(
  deps: TrainingDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<TrainingRunView> {
  const run = await readTrainingRun(deps, call, id);
  const { environment, useCaseId } = run.request;
  await deps.authorizer.require(call, "training:start", {
    type: "TrainingRun",
    id,
    organisationId: call.actor.organisationId,
    environment,
    ...asPlace({ useCaseId }),
  });
  const { mostPreemptions } = deps.preemption;
  await deps.uow.write(call, async (tx) => {
    if (run.request.backend === "ray") throw refused(id, "works on a Ray cluster, and keeps its place");
    if (!isPreemptible(run.request)) throw refused(id, "was started as one that keeps its place");
    const attempts = await listAttempts(tx.sql, id);
    if (attempts.filter(({ ending }) => ending === "preempted").length >= mostPreemptions)
      throw refused(id, `has made room ${mostPreemptions} times already`);
    if (!(await askToMakeRoom(tx.sql, id, reason))) throw refused(id, `is ${run.state}, and has no trainer`);
    await tx.record({ event: "training.run.preemption_requested", subject: id, detail: { reason } });
  });
  return run;
}

function refused(id: string, why: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.not_preemptible", {
    detail: `${id} ${why}`,
    mend: "Wait for its end, or cancel it: its job is in `portolan logs`.",
  });
}
