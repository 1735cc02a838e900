import type { CallContext, Environment } from "@portolan/kernel";
import type { Retraining } from "./contract.ts";
import { endpointRef, type RetrainingDeps, requireRetraining } from "./retraining-deps.ts";
import { listRetrainings, type StoredRetraining } from "./store.ts";

type ReadDeps = Pick<RetrainingDeps, "work" | "authorizer">;

/** A retraining as the API shows it. Pure. */
export function viewOf(stored: StoredRetraining): Retraining {
  const { champion: _, faults: __, ...view } = stored;
  return view;
}

/** @throws PortolanError `kernel.not_found`, also for one that the caller may not see */
export async function readRetraining(deps: ReadDeps, call: CallContext, id: string): Promise<Retraining> {
  return viewOf(await requireRetraining(deps, call, id, "retraining:read"));
}

/** The newest hundred, as far as the caller may see them; of one endpoint where it is named. */
export async function readRetrainings(
  { work, authorizer }: ReadDeps,
  call: CallContext,
  of: { readonly endpoint?: string; readonly environment?: Environment },
): Promise<Retraining[]> {
  const all = await work.read(call, (sql) => listRetrainings(sql, call.actor.organisationId, of));
  const visible: Retraining[] = [];
  for (const one of all) {
    const { allowed } = await authorizer.decide(call, "retraining:read", endpointRef(call, one.champion));
    if (allowed) visible.push(viewOf(one));
  }
  return visible;
}
