import { PortolanError } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import { afterTurn, type QuotaState, turn } from "../quota/decide.ts";
import { boundedPriority, type QuotaNode, type QuotaTree } from "../quota/tree.ts";
import { type AdmittedJob, type QuotaJob, Usage } from "../quota/usage.ts";
import type { QueueReason, Wait, Workload } from "./workload.ts";

/** What a look at the queue changes. */
export interface Round {
  /** They have their part of the quota from now on, in this order. */
  readonly admitted: readonly { readonly id: string; readonly isBorrowing: boolean }[];
  /** They have it no more. Those that run have to be stopped, the others wait again at once. */
  readonly evicted: readonly { readonly id: string; readonly by: string }[];
  /** They gave way within this round: from now on they evict nobody to borrow (docs/adr/0222). */
  readonly gaveWay: readonly string[];
  /** All that wait afterwards. */
  readonly waits: ReadonlyMap<string, Wait>;
  /** Admitted, and what has to go for them is gone. */
  readonly mayBegin: ReadonlySet<string>;
}

interface Parts {
  readonly jobs: Map<string, QuotaJob>;
  readonly refused: Map<string, { readonly reason: QueueReason; readonly resource?: string }>;
}

/**
 * Lets in whoever's turn it is, until nothing changes. What is being stopped has lost its part, but nothing begins in its place before it has ended:
 * what works never comes to more than the quotas allow. Pure: the same rows and time, the same round.
 *
 * @param open all that waits, is admitted, runs or is being stopped
 */
export function admissionRound(tree: QuotaTree, open: readonly Workload[], now: number): Round {
  const { jobs, refused } = sortedOut(tree, open, now);
  const byId = new Map(open.map((work) => [work.id, work]));
  const holding = open.filter(
    ({ id, state }) => jobs.has(id) && (state === "admitted" || state === "running"),
  );
  let state: QuotaState = stateOf(tree, holding, jobs);
  let pending: readonly QuotaJob[] = open.flatMap(({ id, state: is }) => {
    const job = is === "waiting" ? jobs.get(id) : undefined;
    return job ? [job] : [];
  });
  const admitted = new Map<string, boolean>();
  const evicted = new Map<string, string>();
  const gaveWay = new Set<string>();
  let waiting: ReturnType<typeof turn>["waits"] = new Map();
  let seq = holding.reduce((most, { admittedSeq = 0 }) => Math.max(most, admittedSeq), 0);
  // Every state between two turns is a sound one: what a bound cuts off is taken up by the next round.
  for (let turns = 0; turns < 100 + 4 * open.length; turns++) {
    const { next, waits } = turn(state, pending);
    waiting = waits;
    if (!next) break;
    const victims = next.decision.kind === "preempt" ? next.decision.victims : [];
    for (const { id } of victims) {
      gaveWay.add(id);
      if (!admitted.delete(id)) evicted.set(id, next.job.id);
    }
    ({ state, pending } = afterTurn(state, pending, next, ++seq));
    // What runs comes back once it has ended, and not before.
    pending = pending.filter(({ id }) => byId.get(id)?.state !== "running");
    evicted.delete(next.job.id);
    if (byId.get(next.job.id)?.state !== "admitted")
      admitted.set(next.job.id, next.decision.kind === "admit" && next.decision.isBorrowing);
  }
  return {
    admitted: [...admitted].map(([id, isBorrowing]) => ({ id, isBorrowing })),
    evicted: [...evicted].map(([id, by]) => ({ id, by })),
    gaveWay: [...gaveWay],
    waits: waitsAfter(tree, waiting, open, refused),
    mayBegin: beginning(tree, open, jobs, { admitted, evicted }),
  };
}

/** What a workload asks of this tree, or why it cannot be let in whatever is free. */
export function amountsOf(
  tree: QuotaTree,
  node: QuotaNode,
  { asked, assumed }: Pick<Workload, "asked" | "assumed">,
): readonly number[] | { readonly missing: string } {
  const missing = Object.keys(asked).find((resource) => !tree.resources.includes(resource));
  if (missing !== undefined) return { missing };
  return tree.resources.map(
    (resource, r) => asked[resource] ?? (node.isCovered[r] === true ? (assumed[resource] ?? 0) : 0),
  );
}

export function teamNode(tree: QuotaTree, team: string | undefined): QuotaNode | undefined {
  return tree.nodes.find(({ name, queue }) => queue !== undefined && name === team);
}

/**
 * Work of no use case is of no team, whatever a file of quotas says: it would wait for ever.
 *
 * @throws PortolanError `capacity.no_team`
 */
export function requireTeam({ team }: Pick<Workload, "team">): void {
  if (team !== undefined) return;
  throw new PortolanError<CapacityErrorCode>("capacity.no_team", {
    detail: "quotas are in force, and this belongs to no use case, and so to no team that has one",
    mend: "Name the use case that it is for, e.g. with --use-case.",
  });
}

/** What may be looked at, and why the rest cannot be let in whatever is free. */
export function sortedOut(tree: QuotaTree, open: readonly Workload[], now: number): Parts {
  const jobs: Parts["jobs"] = new Map();
  const refused: Parts["refused"] = new Map();
  const nodes = new Map(tree.nodes.filter(({ queue }) => queue).map((node) => [node.name, node]));
  for (const work of open) {
    const { id, team, priority, arrivedAt, wasEvicted } = work;
    const node = nodes.get(team ?? "");
    const amounts = node && amountsOf(tree, node, work);
    if (isAwaitingApproval(work)) refused.set(id, { reason: "awaits-approval" });
    else if (work.isElsewhere) continue;
    else if (!node || !amounts) refused.set(id, { reason: team === undefined ? "no-team" : "no-quota" });
    else if ("missing" in amounts) refused.set(id, { reason: "not-covered", resource: amounts.missing });
    else if (work.state === "waiting" && work.notBefore !== undefined && work.notBefore > now)
      refused.set(id, { reason: "outside-window" });
    else {
      const bounded = boundedPriority(node, priority);
      jobs.set(id, { id, team: node.index, priority: bounded, arrivedAt, amounts, wasEvicted });
    }
  }
  return { jobs, refused };
}

/** Nobody has said yet whether it may begin. */
export function isAwaitingApproval({ state, approval }: Pick<Workload, "state" | "approval">): boolean {
  return state === "waiting" && approval?.state === "awaited";
}

/** What keeps its place counts, and is nobody's to evict. */
export function stateOf(
  tree: QuotaTree,
  holding: readonly Workload[],
  jobs: ReadonlyMap<string, QuotaJob>,
): QuotaState {
  const admitted = holding.flatMap((work): AdmittedJob[] => {
    const job = jobs.get(work.id);
    return job ? [{ ...job, admittedAt: work.admittedSeq ?? 0 }] : [];
  });
  const usage = new Usage(tree, admitted);
  const fixed = new Set(
    holding.filter(({ state, isPreemptible }) => state === "running" && !isPreemptible).map(({ id }) => id),
  );
  return { tree, admitted: admitted.filter(({ id }) => !fixed.has(id)), usage };
}

function waitsAfter(
  tree: QuotaTree,
  held: ReturnType<typeof turn>["waits"],
  open: readonly Workload[],
  refused: Parts["refused"],
): Map<string, Wait> {
  const reasons = new Map<string, { readonly reason: QueueReason; readonly resource?: string }>();
  for (const [{ id }, { reason, resource }] of held)
    reasons.set(id, { reason, ...(resource === undefined ? {} : { resource }) });
  for (const { id, state: is } of open) {
    const found = refused.get(id);
    if (found && is === "waiting") reasons.set(id, found);
  }
  const waiting = open.filter(({ id }) => reasons.has(id));
  const waits = new Map<string, Wait>();
  for (const [team, queue] of Map.groupBy(waiting, ({ team: of }) => of ?? "")) {
    const node = teamNode(tree, team);
    const bounded = queue.map((work) => ({ ...work, priority: boundedPriority(node, work.priority) }));
    for (const [index, { id }] of bounded.toSorted(byUrgency).entries()) {
      const reason = reasons.get(id);
      if (reason) waits.set(id, { ...reason, position: index + 1 });
    }
  }
  return waits;
}

function byUrgency(a: Workload, b: Workload): number {
  return b.priority - a.priority || a.arrivedAt - b.arrivedAt || (a.id < b.id ? -1 : 1);
}

/** Admitted ones that fit beside all that really works, those that are being stopped included; in the order of admission. */
function beginning(
  tree: QuotaTree,
  open: readonly Workload[],
  jobs: ReadonlyMap<string, QuotaJob>,
  {
    admitted,
    evicted,
  }: { readonly admitted: ReadonlyMap<string, boolean>; readonly evicted: ReadonlyMap<string, string> },
): Set<string> {
  const working = open.filter(({ state }) => state === "running" || state === "evicting");
  const usage = new Usage(
    tree,
    working.flatMap(({ id }) => jobs.get(id) ?? []),
  );
  const before = open
    .filter(({ id, state }) => state === "admitted" && !evicted.has(id) && !admitted.has(id))
    .toSorted((a, b) => (a.admittedSeq ?? 0) - (b.admittedSeq ?? 0));
  const mayBegin = new Set<string>();
  for (const id of [...before.map((work) => work.id), ...admitted.keys()]) {
    const job = jobs.get(id);
    if (!job || !usage.fits(job)) continue;
    usage.add(job);
    mayBegin.add(id);
  }
  return mayBegin;
}

/** What is used of a team's quota, and of everybody's; by what has its part. Pure. */
export function usageOf(tree: QuotaTree, open: readonly Workload[]): Usage {
  const { jobs } = sortedOut(tree, open, Number.MAX_SAFE_INTEGER);
  const holding = open.filter(({ state }) => state === "admitted" || state === "running");
  return new Usage(
    tree,
    holding.flatMap(({ id }) => jobs.get(id) ?? []),
  );
}
