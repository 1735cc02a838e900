import { type CallContext, PortolanError } from "@portolan/kernel";
import type { Retraining } from "./contract.ts";
import { placeOf, recordMove } from "./controller.ts";
import { viewOf } from "./read-retrainings.ts";
import { type RetrainingDeps, refused, requireRetraining } from "./retraining-deps.ts";
import { approve, findRetraining, isOpenState, type Move, type StoredRetraining } from "./store.ts";

/**
 * Lets a retrained version go on to its release, as somebody else than whoever asked for it.
 * @throws PortolanError `retraining.wrong_state`, `retraining.not_approver`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function approveRetraining(
  deps: RetrainingDeps,
  call: CallContext,
  id: string,
): Promise<Retraining> {
  const found = await requireRetraining(deps, call, id, "retraining:approve");
  if (call.actor.kind !== "user")
    throw refused(
      "retraining.not_approver",
      "Retrained versions are approved by people, not by service accounts.",
      "Have a person approve it who did not ask for it.",
    );
  if (call.actor.id === found.requestedBy || call.onBehalfOf === found.requestedBy)
    throw refused(
      "retraining.not_approver",
      "Whoever asks for a retraining does not approve it.",
      "Have somebody else approve it.",
    );
  await deps.work.write(call, async (tx) => {
    if (!(await approve(tx, id))) throw wrongState(found, "approve it");
    const { version } = found.made;
    const detail = { ...placeOf(found), ...(version === undefined ? {} : { version }) };
    await tx.record({ event: "retraining.run.approved", subject: id, detail });
  });
  return reread(deps, call, id);
}

/**
 * Ends a retraining. What is registered stays registered; a release that runs is rolled back, and the champion stays or is put back.
 * @throws PortolanError `retraining.wrong_state`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function cancelRetraining(
  deps: RetrainingDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<Retraining> {
  const found = await requireRetraining(deps, call, id, "retraining:start");
  if (!isOpenState(found.state) || found.state === "restoring") throw wrongState(found, "cancel it");
  const { releaseId, trainingRunId } = found.made;
  if (releaseId !== undefined) {
    await deps.releases.rollBack(call, releaseId, reason);
  } else {
    await deps.work.write(call, async (tx) => {
      if (!(await recordMove(tx, found, cancelled(found, reason), deps.ended)))
        throw wrongState(found, "cancel it");
      if (trainingRunId !== undefined) await deps.runs.cancel(tx, trainingRunId);
    });
  }
  return reread(deps, call, id);
}

/** From when it may be promoted on, the champion is put back first. */
function cancelled({ state }: StoredRetraining, reason: string): Move {
  const isPromoted = state === "promoting" || state === "releasing";
  const note = `cancelled: ${reason}`;
  return isPromoted
    ? { state: "restoring", note, made: { endsAs: "cancelled" } }
    : { state: "cancelled", note };
}

async function reread({ work }: RetrainingDeps, call: CallContext, id: string): Promise<Retraining> {
  const found = await work.read(call, (sql) => findRetraining(sql, call.actor.organisationId, id));
  if (!found) throw new PortolanError("kernel.not_found", { detail: `there is no retraining ${id}` });
  return viewOf(found);
}

function wrongState({ id, state }: StoredRetraining, wanted: string): PortolanError {
  return refused(
    "retraining.wrong_state",
    `The retraining ${id} is ${state.replaceAll("_", " ")}: there is no way to ${wanted}.`,
    `See where it stands: portolan retrain status ${id}`,
  );
}
