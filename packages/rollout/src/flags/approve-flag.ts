import { type CallContext, PortolanError, type Transaction } from "@portolan/kernel";
import { approvalsNeeded } from "../approvals.ts";
import { refused } from "../start-release.ts";
import type { FlagView } from "./contract.ts";
import { findChange, insertFlagApproval, type StoredChange, settleChange } from "./flag-store.ts";
import { requireFlagged, viewOf } from "./read-flags.ts";
import { detailOf, type FlagDeps, flagsAt, putInForce, requireRoom } from "./set-flag.ts";

/**
 * Approves a change of a flag as somebody else than its requester; with the last approval that the charter of today asks for it comes into force.
 *
 * @throws PortolanError `rollout.not_approver`, `rollout.flag_change_settled`, `rollout.flag_decides_already`, `kernel.not_found`, and what
 * `Authorizer.require` throws
 */
export async function approveFlagChange(deps: FlagDeps, call: CallContext, id: string): Promise<FlagView> {
  const { organisationId } = call.actor;
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no change of a flag ${id}` });
  const asked = await deps.work.read(call, (sql) => findChange(sql, organisationId, id));
  if (!asked) throw missing();
  const endpoint = await requireFlagged(deps, call, asked, "rollout:approve").catch((error: unknown) => {
    // Its endpoint may not be seen: then there is no such change either.
    throw error instanceof PortolanError && error.code === "kernel.not_found" ? missing() : error;
  });
  const terms = await deps.charters.termsFor(call, endpoint.request.useCaseId);
  const neededToday = approvalsNeeded(asked.environment, terms);
  return deps.work.write(call, async (tx) => {
    const change = await findChange(tx.sql, organisationId, id);
    if (!change) throw missing();
    await approve(tx, change);
    const approvals = [...change.approvals, { by: tx.call.actor.id, at: tx.now }];
    const needed = Math.max(change.approvalsNeeded, neededToday);
    await tx.record({ event: "rollout.flag.change_approved", subject: id, detail: detailOf(change) });
    const flags = await flagsAt(tx, change);
    const before = flags.find(({ key }) => key === change.key);
    if (approvals.length < needed)
      return viewOf(change, before, { ...change, approvals, approvalsNeeded: needed });
    requireRoom(change, change.definition, flags, []);
    if (!(await settleChange(tx.sql, id))) throw settled(change);
    return viewOf(change, await putInForce(deps, tx, change, { ...change, before, change }), undefined);
  });
}

async function approve(tx: Transaction, change: StoredChange): Promise<void> {
  const { actor, onBehalfOf } = tx.call;
  if (change.state !== "waiting") throw settled(change);
  if (actor.kind !== "user")
    throw refused(
      "rollout.not_approver",
      "Changes of flags are approved by people, not by service accounts.",
      "Have a person approve it who did not ask for it.",
    );
  if (actor.id === change.requestedBy || onBehalfOf === change.requestedBy)
    throw refused(
      "rollout.not_approver",
      "Whoever asks for a change does not approve it.",
      "Have somebody else approve it.",
    );
  if (!(await insertFlagApproval(tx.sql, change.id, actor.id, tx.now)))
    throw refused("rollout.not_approver", "You have approved it already.", "Have somebody else approve it.");
}

function settled({ id, endpoint, key, state }: StoredChange): PortolanError {
  return refused(
    "rollout.flag_change_settled",
    state === "in_force" ? `The change ${id} is in force already.` : `The change ${id} was superseded.`,
    `See what is in force: portolan flag show ${endpoint} ${key}`,
  );
}
