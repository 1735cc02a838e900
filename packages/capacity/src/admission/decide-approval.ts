import { type CallContext, PortolanError, type Transaction } from "@portolan/kernel";
import type { Approval, QueueView } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import { moveWorkload, noteApproval } from "../workload-store.ts";
import type { ReadQueueDeps } from "./read-queue.ts";
import { settleQueue } from "./settle-queue.ts";
import { lockedWork, requireWork, viewOfWork } from "./work-of-queue.ts";
import type { Workload } from "./workload.ts";

export interface DecideDeps extends ReadQueueDeps {
  /** Has a job end before it begins. */
  readonly cancel: (tx: Transaction, job: string) => Promise<boolean>;
}

/**
 * Lets work begin that asks for more than its charter lets begin by itself, as a person who did not submit it. It takes its part of the quota from
 * now on, or waits for it.
 *
 * @throws PortolanError `capacity.work_not_found`, `capacity.not_approver`, `capacity.approval_settled`
 */
export async function approveWork(deps: DecideDeps, call: CallContext, id: string): Promise<QueueView> {
  await requireWork(deps, call, id, approving);
  return deps.work.write(call, async (tx) => {
    const row = await undecided(tx, id);
    await decide(tx, row, { state: "approved" });
    await settleQueue(deps, tx, id);
    // It is to ask again, whether it may begin at once or waits for its quota from now on.
    await deps.wake(tx, [row.job]);
    return viewOfWork(deps, tx, id);
  });
}

/**
 * Ends such work before it has begun; its run or scoring says who refused it, and why.
 *
 * @throws PortolanError as `approveWork`
 */
export async function refuseWork(
  deps: DecideDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<QueueView> {
  const said = reason.trim();
  if (said.length < 3)
    throw new PortolanError("kernel.bad_request", {
      detail: "the reason is empty",
      mend: "Say in a few words why it may not begin.",
    });
  await requireWork(deps, call, id, approving);
  return deps.work.write(call, async (tx) => {
    const row = await undecided(tx, id);
    await decide(tx, row, { state: "refused", reason: said });
    await moveWorkload(tx.sql, id, { state: "ended", now: tx.now });
    await deps.cancel(tx, row.job);
    await settleQueue(deps, tx);
    return viewOfWork(deps, tx, id);
  });
}

const approving = (): string => "capacity:approve";

/** The row, locked, that awaits a decision and may have the caller's. */
async function undecided(tx: Transaction, id: string): Promise<Workload> {
  const { actor, onBehalfOf } = tx.call;
  const row = await lockedWork(tx, id);
  if (row.state === "ended" || row.approval?.state !== "awaited")
    throw new PortolanError<CapacityErrorCode>("capacity.approval_settled", {
      detail: settledText(row),
      mend: `See where it stands: portolan job show ${id}`,
    });
  if (actor.kind !== "user")
    throw notApprover("size is approved by people, not by service accounts", "Have a person decide.");
  const submitters = [row.startedBy, row.startedFor].filter((one) => one !== undefined);
  if ([actor.id, onBehalfOf].some((one) => one !== undefined && submitters.includes(one)))
    throw notApprover("whoever submits work does not decide about its size", "Have somebody else decide.");
  return row;
}

function settledText({ state, approval }: Workload): string {
  if (approval?.state === "approved") return `${approval.by ?? "somebody"} approved it already`;
  if (approval?.state === "refused") return `${approval.by ?? "somebody"} refused it already`;
  return state === "ended" ? "it is over" : "nobody need approve it";
}

async function decide(
  tx: Transaction,
  { id, approval, startedBy }: Workload,
  { state, reason }: { readonly state: "approved" | "refused"; readonly reason?: string },
): Promise<void> {
  const what = approval?.for ?? "";
  const decided: Approval = {
    state,
    for: what,
    by: tx.call.actor.id,
    at: tx.now,
    ...(reason === undefined ? {} : { reason }),
  };
  await noteApproval(tx.sql, id, decided);
  await tx.record({
    event: `capacity.approval.${state}`,
    subject: id,
    detail: { for: what, startedBy, ...(reason === undefined ? {} : { reason }) },
  });
}

function notApprover(detail: string, mend: string): PortolanError<CapacityErrorCode> {
  return new PortolanError("capacity.not_approver", { detail, mend });
}
