import { type CallContext, type JsonObject, PortolanError, type Transaction } from "@portolan/kernel";
import type { Release } from "./contract.ts";
import { countsOf } from "./counts-store.ts";
import { insertApproval, moveRelease, setPaused } from "./moves-store.ts";
import { requireRelease } from "./read-releases.ts";
import { viewOf } from "./release-view.ts";
import { type RolloutDeps, refused } from "./start-release.ts";
import { findRelease, newestReleaseId, type StoredRelease } from "./store.ts";

type Change = (tx: Transaction, release: StoredRelease) => Promise<void>;

/**
 * Keeps a release from moving on; harm still ends it.
 * @throws PortolanError `rollout.wrong_state`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export function pauseRelease(deps: RolloutDeps, call: CallContext, id: string): Promise<Release> {
  return change(deps, call, id, "serving:deploy", async (tx, release) => {
    if (!(await setPaused(tx.sql, release, true))) throw wrongState(release, "pause it");
    await tx.record({ event: "rollout.release.paused", subject: id, detail: placeOf(release) });
  });
}

/**
 * Lets a paused release go on.
 * @throws PortolanError `rollout.wrong_state`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export function resumeRelease(deps: RolloutDeps, call: CallContext, id: string): Promise<Release> {
  return change(deps, call, id, "serving:deploy", async (tx, release) => {
    if (!(await setPaused(tx.sql, release, false))) throw wrongState(release, "resume it");
    await tx.record({ event: "rollout.release.resumed", subject: id, detail: placeOf(release) });
  });
}

/**
 * Takes the endpoint back to the version that was the champion when the release began: of an open release, and of one that was promoted while no
 * other has begun since.
 * @throws PortolanError `rollout.wrong_state`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function rollBackRelease(
  deps: RolloutDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<Release> {
  await requireOwnDeployment(deps, call, await requireRelease(deps, call, id, "serving:deploy"));
  return change(deps, call, id, "serving:deploy", async (tx, release) => {
    const isOpen = release.state === "running" || release.state === "paused";
    const isLast = release.state === "promoted" && (await newestReleaseId(tx.sql, release)) === id;
    if (!isOpen && !isLast) throw wrongState(release, "roll it back");
    const ended = { by: tx.call.actor.id, at: tx.now };
    const move = { state: "rolled_back", reasons: [reason], ended } as const;
    if (!(await moveRelease(tx.sql, release, move))) throw wrongState(release, "roll it back");
    await tx.record({
      event: "rollout.release.rolled_back",
      subject: id,
      detail: { ...placeOf(release), reasons: [reason], isManual: true, from: release.state },
    });
    await deps.ended?.(tx, release);
  });
}

/** What somebody deployed since the promotion is not the release's to undo, and must not be reported as undone. */
async function requireOwnDeployment(
  { endpoints }: RolloutDeps,
  call: CallContext,
  { id, state, environment, endpoint, deploymentId }: StoredRelease,
): Promise<void> {
  if (state !== "promoted" || deploymentId === null) return;
  const found = await endpoints.find(call, environment, endpoint);
  if (found?.deploymentId === deploymentId) return;
  throw refused(
    "rollout.wrong_state",
    `${endpoint} was deployed by hand since the release ${id} was promoted.`,
    "Deploy the version that it is to serve: portolan endpoint deploy.",
  );
}

/**
 * Approves a release as somebody else than its requester.
 * @throws PortolanError `rollout.not_approver`, `rollout.wrong_state`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export function approveRelease(deps: RolloutDeps, call: CallContext, id: string): Promise<Release> {
  return change(deps, call, id, "rollout:approve", async (tx, release) => {
    const { actor } = tx.call;
    if (release.state !== "running" && release.state !== "paused") throw wrongState(release, "approve it");
    if (actor.kind !== "user")
      throw refused(
        "rollout.not_approver",
        "Releases are approved by people, not by service accounts.",
        "Have a person approve it who did not ask for it.",
      );
    if (actor.id === release.requestedBy || tx.call.onBehalfOf === release.requestedBy)
      throw refused(
        "rollout.not_approver",
        "Whoever asks for a release does not approve it.",
        "Have somebody else approve it.",
      );
    if (!(await insertApproval(tx.sql, id, actor.id, tx.now)))
      throw refused(
        "rollout.not_approver",
        "You have approved it already.",
        "Have somebody else approve it.",
      );
    await tx.record({ event: "rollout.release.approved", subject: id, detail: placeOf(release) });
  });
}

async function change(
  deps: RolloutDeps,
  call: CallContext,
  id: string,
  action: "serving:deploy" | "rollout:approve",
  work: Change,
): Promise<Release> {
  await requireRelease(deps, call, id, action);
  const { organisationId } = call.actor;
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no release ${id}` });
  const view = await deps.work.write(call, async (tx) => {
    // Read again: what was allowed was judged of the same endpoint, and its state may have changed since.
    const release = await findRelease(tx.sql, organisationId, id);
    if (!release) throw missing();
    await work(tx, release);
    const changed = await findRelease(tx.sql, organisationId, id);
    if (!changed) throw missing();
    return viewOf(changed, await countsOf(tx.sql, id));
  });
  deps.wake();
  return view;
}

/** What each of a release's ledger rows says. */
export function placeOf({ endpoint, environment, model, version, step }: StoredRelease): JsonObject {
  return { endpoint, environment, candidate: `${model}/${version}`, step };
}

function wrongState({ id, state }: StoredRelease, wanted: string): PortolanError {
  return refused(
    "rollout.wrong_state",
    `The release ${id} is ${state.replace("_", " ")}: there is no way to ${wanted}.`,
    "See where it stands: portolan release status.",
  );
}
