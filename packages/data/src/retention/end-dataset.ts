import { type CallContext, PortolanError, type ResourceRef, requireSeen } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { activeHolds } from "../holds/hold-store.ts";
import { datasetOf, type ExpiredData, type RetentionDeps, removeOne } from "./apply-retention.ts";
import { findKeptDataset } from "./retention-store.ts";

/**
 * Ends one snapshot before its contract does, such as a copy of another one: its rows go, its id still answers what it was. What was made of it stays.
 *
 * @throws PortolanError `data.dataset_not_found`, `data.under_hold`, and what `Authorizer.require` throws
 */
export async function endDataset(
  deps: RetentionDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<ExpiredData> {
  const { organisationId } = call.actor;
  const missing = () =>
    new PortolanError<DataErrorCode>("data.dataset_not_found", { detail: `there is no dataset ${id}` });
  const row = await deps.uow.read(call, (sql) => findKeptDataset(sql, organisationId, id));
  if (!row) throw missing();
  const resource: ResourceRef = {
    type: "Dataset",
    id,
    organisationId,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
  };
  await requireSeen(deps.authorizer, call, { action: "data:apply_retention", resource }, missing);
  return deps.uow.write(call, async (tx) => {
    const one = datasetOf(row, await activeHolds(tx.sql, organisationId));
    if (one.heldBy.length > 0)
      throw new PortolanError<DataErrorCode>("data.under_hold", {
        detail: `${id} is kept by ${one.heldBy.join(", ")}`,
        mend: "Have the hold released first: portolan data holds.",
      });
    if (!(await removeOne(deps, tx, one, { reason }))) throw missing();
    return one;
  });
}
