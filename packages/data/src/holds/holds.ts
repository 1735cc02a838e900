import {
  type Authorizer,
  type CallContext,
  type Clock,
  type Environment,
  environmentsAllowing,
  newId,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import { type DataHold, findHold, insertHold, listHolds, releaseHoldRow } from "./hold-store.ts";

export interface DataHoldDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
}

/** What a hold covers; what it does not name, it covers all of. */
export interface DataHoldScope {
  readonly environment: Environment;
  readonly contract?: string;
  readonly useCaseId?: string;
}

/** Places a legal hold: what it covers is neither erased nor removed by retention until it is released. */
export async function placeDataHold(
  deps: DataHoldDeps,
  call: CallContext,
  scope: DataHoldScope,
  reason: string,
): Promise<DataHold> {
  const { organisationId } = call.actor;
  const { environment } = scope;
  await deps.authorizer.require(call, "data:hold", { type: "Dataset", organisationId, environment });
  return deps.uow.write(call, async (tx) => {
    const hold: DataHold = {
      id: newId("legalHold", tx.now),
      organisation_id: organisationId,
      environment,
      contract: scope.contract ?? null,
      use_case_id: scope.useCaseId ?? null,
      reason,
      placed_by: call.actor.id,
      placed_at: tx.now,
      released_by: null,
      released_at: null,
    };
    await insertHold(tx, hold);
    await tx.record({ event: "data.hold.placed", subject: hold.id, detail: { ...scope, reason } });
    return hold;
  });
}

/** @throws PortolanError `kernel.not_found`, also for a hold where the caller may not see; `kernel.conflict` when it is released */
export async function releaseDataHold(
  deps: DataHoldDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<DataHold> {
  const { organisationId } = call.actor;
  const hold = await deps.uow.read(call, (sql) => findHold(sql, organisationId, id));
  if (!hold) throw new PortolanError("kernel.not_found", { detail: "Not found" });
  const { environment } = hold;
  await deps.authorizer.require(call, "data:hold", { type: "Dataset", id, organisationId, environment });
  return deps.uow.write(call, async (tx) => {
    const released = await releaseHoldRow(tx, id);
    if (!released)
      throw new PortolanError("kernel.conflict", {
        detail: "this hold was released before",
        mend: "Nothing is to be done.",
      });
    await tx.record({ event: "data.hold.released", subject: id, detail: { environment, reason } });
    return released;
  });
}

/** Holds of the environments that the caller may read datasets of, newest first; the released ones too. */
export async function readDataHolds(deps: DataHoldDeps, call: CallContext): Promise<DataHold[]> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "data:read_dataset", {
    type: "Dataset",
    organisationId,
  });
  const holds = await deps.uow.read(call, (sql) => listHolds(sql, organisationId));
  return holds.filter(({ environment }) => environments.includes(environment));
}
