import { type CallContext, PortolanError, type Transaction } from "@portolan/kernel";
import type { ReadQueueDeps } from "../admission/read-queue.ts";
import { teamNode } from "../admission/round.ts";
import { settleQueue, treeInForce } from "../admission/settle-queue.ts";
import { lockedWork, requireWork, viewOfWork } from "../admission/work-of-queue.ts";
import type { Workload } from "../admission/workload.ts";
import type { KeepRequest, QueueView } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import { findQuotas } from "../store.ts";
import { moveWorkload, noteArrival, noteIdle } from "../workload-store.ts";
import { instantOf } from "./held.ts";
import { durationOf, type IdlePolicy } from "./idle-policy.ts";

/**
 * Has work that runs go on for a while though it does next to nothing: a notice is withdrawn, and none comes before the time is over.
 *
 * @throws PortolanError `capacity.work_not_found`, `capacity.not_kept`, `capacity.keep_too_long`
 */
export async function keepWork(
  deps: ReadQueueDeps,
  call: CallContext,
  id: string,
  { forSeconds, reason }: KeepRequest,
): Promise<QueueView> {
  const said = reason.trim();
  if (said.length < 3)
    throw new PortolanError("kernel.bad_request", {
      detail: "the reason is empty",
      mend: "Say in a few words why it is to go on.",
    });
  await requireWork(deps, call, id, starting);
  return deps.work.write(call, async (tx) => {
    const row = await lockedWork(tx, id);
    const policy = await policyOf(tx, row);
    if (row.state !== "running")
      throw notKept(`${id} does not run: it is ${row.state}`, `portolan job show ${id}`);
    if (!policy)
      throw notKept("the quotas in force look for no idle work of its team", "portolan quota show");
    if (forSeconds * 1e6 > policy.longestKeep)
      throw new PortolanError<CapacityErrorCode>("capacity.keep_too_long", {
        detail: `the quotas let work be kept for ${durationOf(policy.longestKeep)} at once`,
        mend: "Ask for less, and again before it is over.",
      });
    const { notice } = row.idle ?? {};
    const until = tx.now + forSeconds * 1_000_000;
    await noteIdle(tx.sql, id, { kept: { until, at: tx.now, by: tx.call.actor.id, reason: said } });
    await tx.record({
      event: "capacity.idle.kept",
      subject: id,
      detail: { until: instantOf(until), reason: said, wasNoticed: notice !== undefined },
    });
    return viewOfWork(deps, tx, id);
  });
}

/**
 * Has work wait for its quota again that was stopped because it did nothing; it goes on from its checkpoint.
 *
 * @throws PortolanError `capacity.work_not_found`, `capacity.not_stopped`
 */
export async function resumeWork(deps: ReadQueueDeps, call: CallContext, id: string): Promise<QueueView> {
  await requireWork(deps, call, id, starting);
  return deps.work.write(call, async (tx) => {
    const row = await lockedWork(tx, id);
    if (row.state !== "stopped")
      throw new PortolanError<CapacityErrorCode>("capacity.not_stopped", {
        detail: `${id} is ${row.state}`,
        mend: `Only what was stopped because it did nothing is resumed: portolan job show ${id}`,
      });
    await moveWorkload(tx.sql, id, { state: "waiting", now: tx.now });
    await noteArrival(tx.sql, id, tx.now);
    await noteIdle(tx.sql, id, undefined);
    await tx.record({ event: "capacity.idle.resumed", subject: id });
    await settleQueue(deps, tx, id);
    await deps.wake(tx, [row.job]);
    return viewOfWork(deps, tx, id);
  });
}

/** Whoever may start such work. */
const starting = (kind: Workload["kind"]): string => (kind === "training" ? "training:start" : "scoring:run");

async function policyOf(tx: Transaction, { team }: Workload): Promise<IdlePolicy | undefined> {
  const tree = treeInForce(await findQuotas(tx.sql, tx.call.actor.organisationId));
  return tree && teamNode(tree, team)?.queue?.idle;
}

function notKept(detail: string, look: string): PortolanError<CapacityErrorCode> {
  return new PortolanError("capacity.not_kept", { detail, mend: `See where things stand: ${look}` });
}
