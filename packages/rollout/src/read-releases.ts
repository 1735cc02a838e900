import { type CallContext, PortolanError, requireSeen } from "@portolan/kernel";
import type { Release } from "./contract.ts";
import { countsOf } from "./counts-store.ts";
import { viewOf } from "./release-view.ts";
import { endpointRef, type RolloutDeps } from "./start-release.ts";
import { findRelease, listReleases, type StoredRelease } from "./store.ts";

type ReadDeps = Pick<RolloutDeps, "work" | "authorizer">;

/** One release as it stands. @throws PortolanError `kernel.not_found`, also for one that the caller may not see */
export async function readRelease(deps: ReadDeps, call: CallContext, id: string): Promise<Release> {
  const release = await requireRelease(deps, call, id, "serving:read");
  return deps.work.read(call, async (sql) => viewOf(release, await countsOf(sql, id)));
}

/** The releases of an endpoint that the caller may see, newest first. */
export async function readReleases(deps: ReadDeps, call: CallContext, endpoint: string): Promise<Release[]> {
  const { organisationId } = call.actor;
  const all = await deps.work.read(call, (sql) => listReleases(sql, organisationId, endpoint));
  const visible: StoredRelease[] = [];
  for (const release of all) {
    const { allowed } = await deps.authorizer.decide(call, "serving:read", refOf(call, release));
    if (allowed) visible.push(release);
  }
  return deps.work.read(call, async (sql) => {
    const views: Release[] = [];
    for (const release of visible) views.push(viewOf(release, await countsOf(sql, release.id)));
    return views;
  });
}

/**
 * A release that the caller may do this to.
 *
 * @throws PortolanError `kernel.not_found` for one that does not exist or may not be seen, and what `Authorizer.require` throws
 */
export async function requireRelease(
  deps: ReadDeps,
  call: CallContext,
  id: string,
  action: "serving:read" | "serving:deploy" | "rollout:approve" | "outcomes:write",
): Promise<StoredRelease> {
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no release ${id}` });
  const { organisationId } = call.actor;
  const release = await deps.work.read(call, (sql) => findRelease(sql, organisationId, id));
  if (!release) throw missing();
  await requireSeen(deps.authorizer, call, { action, resource: refOf(call, release) }, missing);
  return release;
}

function refOf(call: CallContext, release: StoredRelease) {
  return { ...endpointRef(call, release.endpoint, release), environment: release.environment };
}
