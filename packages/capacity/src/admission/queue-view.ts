import type { Approval, QueueView } from "../contract.ts";
import { heldTexts } from "../idle/held.ts";
import { idleText, idleView } from "../idle/idle-view.ts";
import { amountText, gpuPrefix } from "../quota/amounts.ts";
import { boundedPriority, type QuotaTree } from "../quota/tree.ts";
import { expectedWait, type usualMicros } from "./expected-wait.ts";
import { isAwaitingApproval, teamNode } from "./round.ts";
import type { Wait, Workload } from "./workload.ts";

/** Where work stands, in words and figures. Pure. */
export function queueView(
  work: Workload,
  tree: QuotaTree | undefined,
  open: readonly Workload[],
  known: { readonly now: number; readonly usual: ReturnType<typeof usualMicros> },
): QueueView {
  const { id, state, team, wait, evictions, begunAt } = work;
  const idle = idleView(work, known.now);
  const expected = state === "waiting" && tree ? expectedWait(tree, open, id, known) : undefined;
  return {
    state,
    ...(team === undefined ? {} : { team }),
    request: requestTexts(work, tree),
    says: idleText(work, known.now) ?? saysOf(work),
    priority: boundedPriority(tree && teamNode(tree, team), work.priority),
    ...(isAwaitingApproval(work) ? { reason: "awaits-approval" } : {}),
    ...(wait && state === "waiting" && !isAwaitingApproval(work)
      ? {
          reason: wait.reason,
          ...(wait.resource === undefined ? {} : { resource: wait.resource }),
          position: wait.position,
        }
      : {}),
    ...(expected === undefined ? {} : { expectedWaitSeconds: Math.ceil(expected / 1e6) }),
    ...(begunAt === undefined ? {} : { begunAt }),
    evictions,
    ...(work.approval ? { approval: work.approval } : {}),
    ...(idle ? { idle } : {}),
  };
}

/** What it asks of its team; what is only assumed as far as the team has a quota of it. */
export function requestTexts(
  work: Pick<Workload, "team" | "asked" | "assumed">,
  tree: QuotaTree | undefined,
): string[] {
  const known = tree && heldTexts(tree, work);
  return known ?? Object.entries(work.asked).map(([resource, amount]) => amountText(resource, amount));
}

/** Whether work on another cluster is in the queue because the quotas look for idle work of its team. Pure. */
export function isWatchedElsewhere(
  { isElsewhere, team }: { readonly isElsewhere?: boolean; readonly team?: string | undefined },
  tree: QuotaTree | undefined,
): boolean {
  return isElsewhere === true && tree !== undefined && teamNode(tree, team)?.queue?.idle !== undefined;
}

function saysOf(work: Workload): string {
  const { state, team = "", wait, evictedBy, approval, isElsewhere } = work;
  if (approval?.state === "refused" && state !== "running") return refusalText(approval);
  if (isAwaitingApproval({ state, ...(approval ? { approval } : {}) }))
    return approvalText(approval?.for ?? "");
  if (isElsewhere === true && state !== "ended")
    return "has no part of the quotas: it runs on another cluster";
  switch (state) {
    case "waiting":
      return wait ? waitText(wait, team) : "waits to be looked at";
    case "admitted":
      return "has its part of the quota, and waits to begin";
    case "running":
      return "runs within the quota of its team";
    case "evicting":
      return `makes room for ${evictedBy ?? "another one"}`;
    case "stopped":
      return "was stopped because it did nothing";
    case "ended":
      return "is over";
  }
}

/** What has to be approved, for people. Pure. */
export function approvalText(what: string): string {
  return `awaits approval: it asks for ${what}, the size that its charter lets begin by itself`;
}

export function refusalText({ by = "somebody", reason = "" }: Approval): string {
  return `${by} refused that it begins: ${reason}`;
}

/** Why it waits, for people. Pure. */
export function waitText({ reason, resource, position }: Wait, team: string): string {
  const what = resource === undefined ? "it" : nameOf(resource);
  const place = `number ${position} in the queue of ${team}`;
  switch (reason) {
    case "no-room":
      return `waits for ${what}: others hold it, and it may not evict them; ${place}`;
    case "behind-another":
      return `waits behind an older or more urgent one; ${place}`;
    case "not-covered":
      return `never starts as things stand: ${team} has no quota of ${what}`;
    case "above-maximum":
      return `never starts as things stand: it asks for more ${what} than ${team} could ever have`;
    case "no-team":
      return "never starts as things stand: it belongs to no use case, and so to no team with a quota";
    case "no-quota":
      return `never starts as things stand: ${team} is not in the quotas in force`;
    case "outside-window":
      return `waits for its window; ${place}`;
    case "awaits-approval":
      return "awaits approval";
  }
}

function nameOf(resource: string): string {
  return resource.startsWith(gpuPrefix) ? resource.slice(gpuPrefix.length) : resource;
}
