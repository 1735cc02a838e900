import {
  type Authorizer,
  type CallContext,
  type Clock,
  PortolanError,
  type ResourceRef,
  type UnitOfWork,
} from "@portolan/kernel";
import type { RoleLookup, SigningKeyLookup, UseCaseDirectory } from "./ports.ts";
import { findCharter, type StoredCharter } from "./store.ts";
import type { CharterSummary } from "./views.ts";

/** What the use cases of this domain need; wired in `apps/control`. */
export interface CharterDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly useCases: UseCaseDirectory;
  readonly signingKeys: SigningKeyLookup;
  readonly roles: RoleLookup;
}

export function charterResource(call: CallContext, charter: Partial<CharterSummary>): ResourceRef {
  return {
    type: "Charter",
    organisationId: call.actor.organisationId,
    ...(charter.id === undefined ? {} : { id: charter.id }),
    ...(charter.businessUnitId === undefined ? {} : { businessUnitId: charter.businessUnitId }),
    ...(charter.teamId === undefined ? {} : { teamId: charter.teamId }),
    ...(charter.useCaseId === undefined ? {} : { useCaseId: charter.useCaseId }),
  };
}

/** Loads a version that the caller may do this to. A missing one and an invisible one are the same 404. */
export async function loadCharter(
  deps: CharterDeps,
  call: CallContext,
  charterId: string,
  action: string,
): Promise<StoredCharter> {
  const found = await deps.uow.read(call, (sql) => findCharter(sql, call.actor.organisationId, charterId));
  if (!found) throw new PortolanError("kernel.not_found");
  await deps.authorizer.require(call, action, charterResource(call, found.summary));
  return found;
}
