import { type CallContext, PortolanError, requireSeen, type Transaction } from "@portolan/kernel";
import type { QueueView } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import { lockOrganisation } from "../store.ts";
import { findWorkload } from "../workload-store.ts";
import { type ReadQueueDeps, resourceOf } from "./read-queue.ts";
import type { Workload } from "./workload.ts";

/**
 * Requires that the caller may read the work, else it is not there, and may do what is asked.
 *
 * @param action by what kind of work it is
 * @throws PortolanError `capacity.work_not_found`, and what the authorizer throws
 */
export async function requireWork(
  { work, authorizer }: ReadQueueDeps,
  call: CallContext,
  id: string,
  action: (kind: Workload["kind"]) => string,
): Promise<void> {
  const { organisationId } = call.actor;
  const row = await work.read(call, (sql) => findWorkload(sql, id));
  if (row?.organisationId !== organisationId) throw notInQueue(id);
  const resource = resourceOf(organisationId, row);
  const reading = row.kind === "training" ? "training:read" : "data:read_dataset";
  await requireSeen(authorizer, call, { action: reading, resource }, () => notInQueue(id));
  await authorizer.require(call, action(row.kind), resource);
}

/** The row, with the organisation's queue held until the transaction ends. @throws PortolanError `capacity.work_not_found` */
export async function lockedWork(tx: Transaction, id: string): Promise<Workload> {
  await lockOrganisation(tx.sql, tx.call.actor.organisationId);
  const row = await findWorkload(tx.sql, id);
  if (!row) throw notInQueue(id);
  return row;
}

/** How it stands now. @throws PortolanError `capacity.work_not_found` */
export async function viewOfWork(
  { admission }: ReadQueueDeps,
  tx: Transaction,
  id: string,
): Promise<QueueView> {
  const view = await admission.view(tx.sql, tx.call.actor.organisationId, id);
  if (!view) throw notInQueue(id);
  return view;
}

function notInQueue(id: string): PortolanError<CapacityErrorCode> {
  return new PortolanError("capacity.work_not_found", {
    detail: `there is no run or scoring ${id.slice(0, 60)} in the queue`,
    mend: "portolan job list has what is in the queue, and what awaits approval.",
  });
}
