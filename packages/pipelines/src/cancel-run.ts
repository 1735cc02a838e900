import { type CallContext, PortolanError } from "@portolan/kernel";
import type { PipelineRun } from "./contract.ts";
import type { PipelineErrorCode } from "./errors.ts";
import { type PipelineDeps, requirePipelineRun } from "./pipeline-deps.ts";
import { runViewOf } from "./read-pipelines.ts";
import { requireRights } from "./stage-rights.ts";
import { changeRun, findPipelineRun } from "./store.ts";

/**
 * Ends a run: what its stage has begun is told to stop, and a release that runs is rolled back. What was made stays. Whoever cancels it must
 * have the right to the stage that it is at.
 * @throws PortolanError `pipelines.wrong_state` where it is over, `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function cancelPipelineRun(
  deps: Pick<PipelineDeps, "work" | "authorizer">,
  call: CallContext,
  id: string,
  reason: string,
): Promise<PipelineRun> {
  const seen = await requirePipelineRun(deps, call, id, "pipeline:run");
  // A release that runs would be rolled back in the name of who began it.
  await requireRights(deps.authorizer, call, seen.stages.slice(seen.at, seen.at + 1), seen);
  return deps.work.write(call, async (tx) => {
    const { organisationId } = call.actor;
    const found = await findPipelineRun(tx.sql, organisationId, id);
    if (found?.state !== "running") throw isOver(id, found?.state ?? "gone");
    // The controller may move it at this very moment: the caller asks again then.
    if (!(await changeRun(tx, found, { cancelReason: reason, notBefore: null })))
      throw new PortolanError("kernel.conflict", {
        detail: `the run ${id} has just moved on`,
        mend: "Ask again.",
      });
    await tx.record({ event: "pipelines.run.cancellation_requested", subject: id, detail: { reason } });
    return runViewOf((await findPipelineRun(tx.sql, organisationId, id)) ?? found);
  });
}

function isOver(id: string, state: string): PortolanError<PipelineErrorCode> {
  return new PortolanError<PipelineErrorCode>("pipelines.wrong_state", {
    detail: `the run ${id} is ${state}: there is nothing to cancel`,
    mend: `See how it ended: portolan pipeline status ${id}`,
  });
}
