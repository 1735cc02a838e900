import { nodeAt, type QuotaTree } from "./tree.ts";
import { type AdmittedJob, mostOf, type QuotaJob, shareOf, Usage } from "./usage.ts";
import { byAge, victimsFor } from "./victims.ts";

/** What runs, and by it what is used. */
export interface QuotaState {
  readonly tree: QuotaTree;
  readonly admitted: readonly AdmittedJob[];
  readonly usage: Usage;
}

export function quotaState(tree: QuotaTree, admitted: readonly AdmittedJob[] = []): QuotaState {
  return { tree, admitted, usage: new Usage(tree, admitted) };
}

export type WaitReason =
  /** The team has no quota of a resource that the job asks for: it waits for ever. */
  | "not-covered"
  /** More than the team could have were all else idle: it waits for ever. */
  | "above-maximum"
  /** Others hold it, and the team's policies do not let it evict them. */
  | "no-room"
  /** An older or more urgent job of a strict queue waits before it. */
  | "behind-another";

export type QuotaDecision =
  | { readonly kind: "admit"; readonly isBorrowing: boolean }
  | { readonly kind: "preempt"; readonly victims: readonly AdmittedJob[] }
  | { readonly kind: "wait"; readonly reason: WaitReason; readonly resource?: string };

/** Whether this job may run now, and who has to go for it. Pure: the same state and job, the same decision. */
export function decide({ tree, admitted, usage }: QuotaState, job: QuotaJob): QuotaDecision {
  const team = nodeAt(tree, job.team);
  const lacking = (reason: WaitReason, r: number): QuotaDecision => {
    const resource = tree.resources[r];
    return { kind: "wait", reason, ...(resource === undefined ? {} : { resource }) };
  };
  const uncovered = job.amounts.findIndex((amount, r) => amount > 0 && team.isCovered[r] !== true);
  if (uncovered >= 0) return lacking("not-covered", uncovered);
  const beyond = job.amounts.findIndex((amount, r) => amount > 0 && amount > mostOf(tree, team, r));
  if (beyond >= 0) return lacking("above-maximum", beyond);
  const short = usage.shortOf(job);
  if (short.length === 0) return { kind: "admit", isBorrowing: !usage.isWithinNominal(job) };
  const victims = victimsFor(usage, admitted, job, short);
  return victims ? { kind: "preempt", victims } : lacking("no-room", short[0] ?? 0);
}

export interface Turn {
  /** The job that runs next, and what it took; absent: all that wait go on waiting. */
  readonly next?: {
    readonly job: QuotaJob;
    readonly decision: Exclude<QuotaDecision, { readonly kind: "wait" }>;
  };
  /** Those that were looked at before, and why they wait. */
  readonly waits: ReadonlyMap<QuotaJob, Extract<QuotaDecision, { readonly kind: "wait" }>>;
}

/**
 * Whose turn it is. Each team's queue goes by priority, then age; of a strict queue only the head is looked at. Between the heads: without fair sharing
 * those within their own quota first, then by priority and age; with it the smallest share after admission first. Pure.
 */
export function turn(state: QuotaState, pending: readonly QuotaJob[]): Turn {
  const waits = new Map<QuotaJob, Extract<QuotaDecision, { readonly kind: "wait" }>>();
  const queues = [...Map.groupBy(pending, ({ team }) => team)].map(([team, jobs]) => ({
    isStrict: nodeAt(state.tree, team).queue?.strategy === "strict-fifo",
    left: jobs.toSorted((a, b) => b.priority - a.priority || byAge(a, b)),
  }));
  const order = new Map<QuotaJob, readonly number[]>();
  for (;;) {
    const heads = queues.flatMap((queue) => (queue.left[0] ? [{ queue, job: queue.left[0] }] : []));
    for (const { job } of heads) if (!order.has(job)) order.set(job, rankOf(state, job));
    const [first] = heads.toSorted((a, b) => byRank(order, a.job, b.job));
    if (!first) return { waits };
    const { job, queue } = first;
    const decision = decide(state, job);
    if (decision.kind !== "wait") return { next: { job, decision }, waits };
    waits.set(job, decision);
    queue.left.shift();
    if (!queue.isStrict) continue;
    for (const behind of queue.left) waits.set(behind, { kind: "wait", reason: "behind-another" });
    queue.left.length = 0;
  }
}

/** Smaller goes first. With fair sharing: the shares with the job, from below the root down to the team. */
function rankOf({ tree, usage }: QuotaState, job: QuotaJob): readonly number[] {
  if (tree.fairSharing.length === 0) return [usage.isWithinNominal(job) ? 0 : 1];
  const after = usage.copy();
  after.add(job);
  return nodeAt(tree, job.team)
    .path.map((index) => shareOf(after, nodeAt(tree, index)))
    .toReversed();
}

function byRank(order: ReadonlyMap<QuotaJob, readonly number[]>, a: QuotaJob, b: QuotaJob): number {
  const [ranksOfA, ranksOfB] = [order.get(a) ?? [], order.get(b) ?? []];
  for (let at = 0; at < Math.max(ranksOfA.length, ranksOfB.length); at++) {
    const [x, y] = [ranksOfA[at] ?? 0, ranksOfB[at] ?? 0];
    if (x !== y) return x < y ? -1 : 1;
  }
  return b.priority - a.priority || byAge(a, b);
}

/** The state after a turn, and those that wait then: the ones that were evicted wait again. */
export function afterTurn(
  state: QuotaState,
  pending: readonly QuotaJob[],
  { job, decision }: NonNullable<Turn["next"]>,
  admittedAt: number,
): { readonly state: QuotaState; readonly pending: readonly QuotaJob[] } {
  const victims = decision.kind === "preempt" ? decision.victims : [];
  const gone = new Set(victims.map(({ id }) => id));
  const usage = state.usage.copy();
  for (const victim of victims) usage.remove(victim);
  usage.add(job);
  const stay = state.admitted.filter(({ id }) => !gone.has(id));
  return {
    state: { tree: state.tree, admitted: [...stay, { ...job, admittedAt }], usage },
    pending: [
      ...pending.filter(({ id }) => id !== job.id),
      ...victims.map((victim) => ({ ...victim, wasEvicted: true })),
    ],
  };
}
