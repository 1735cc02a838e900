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
import type { PartFiles } from "../archive/part-files.ts";
import { findHold, type HoldRow, insertHold, listHolds, releaseHoldRow } from "./hold-store.ts";

export interface HoldDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly files: PartFiles;
  readonly clock: Clock;
}

/** What a hold covers; what it does not name, it covers all of. */
export interface HoldScope {
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly endpoint?: string;
  /** Arrival, epoch microseconds, both inclusive. */
  readonly from?: number;
  readonly to?: number;
}

/**
 * Places a legal hold. When this resolves, nothing that destroys payloads is under way, and nothing it covers will be destroyed
 * until it is released.
 */
export async function placeHold(
  deps: HoldDeps,
  call: CallContext,
  scope: HoldScope,
  reason: string,
): Promise<HoldRow> {
  const { organisationId } = call.actor;
  const { environment } = scope;
  await deps.authorizer.require(call, "predictions:hold", {
    type: "Prediction",
    organisationId,
    environment,
  });
  const id = newId("legalHold", deps.clock.now());
  return deps.files.inTurn(() =>
    deps.uow.write(call, async (tx) => {
      await tx.record({ event: "predictions.hold.placed", subject: id, detail: { ...scope, reason } });
      return insertHold(tx, id, scope, reason);
    }),
  );
}

/** @throws PortolanError `kernel.not_found`, also for a hold where the caller may not see; `kernel.conflict` when it is released */
export async function releaseHold(
  deps: HoldDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<HoldRow> {
  const { organisationId } = call.actor;
  const hold = await deps.uow.read(call, (sql) => findHold(sql, organisationId, id));
  if (!hold) throw new PortolanError("kernel.not_found", { detail: "Not found" });
  const { environment } = hold;
  await deps.authorizer.require(call, "predictions:hold", {
    type: "Prediction",
    id,
    organisationId,
    environment,
  });
  return deps.uow.write(call, async (tx) => {
    const released = await releaseHoldRow(tx, id);
    if (!released) {
      throw new PortolanError("kernel.conflict", {
        detail: "this hold was released before",
        mend: "Nothing is to be done.",
      });
    }
    await tx.record({ event: "predictions.hold.released", subject: id, detail: { environment, reason } });
    return released;
  });
}

/** Holds of the environments that the caller may read predictions of, newest first; the released ones too. */
export async function readHolds(deps: HoldDeps, call: CallContext): Promise<HoldRow[]> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "predictions:read", {
    type: "Prediction",
    organisationId,
  });
  const holds = await deps.uow.read(call, (sql) => listHolds(sql, organisationId));
  return holds.filter(({ environment }) => environments.includes(environment));
}
