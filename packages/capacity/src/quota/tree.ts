import type { IdlePolicy } from "../idle/idle-policy.ts";

/** What one team or cohort has of one resource, in whole units (`amounts.ts`). */
export interface Quota {
  /** Its guaranteed minimum; a cohort's is beside those of its members. */
  readonly nominal: number;
  /** How far above it may go; without one, as far as its cohort has room. */
  readonly borrowingLimit?: number;
  /** How much of it others may use while it lies idle; without one, all. */
  readonly lendingLimit?: number;
}

export type ReclaimPolicy = "never" | "lower-priority" | "any";
export type WithinPolicy = "never" | "lower-priority" | "lower-or-newer-equal-priority";

/** Kueue's `preemption` of a cluster queue. */
export interface PreemptionPolicies {
  /** Whom it evicts in other queues to get back what is its own. */
  readonly reclaimWithinCohort: ReclaimPolicy;
  readonly withinClusterQueue: WithinPolicy;
  /** Whether it evicts in other queues while it borrows itself: jobs below its priority, of at most the threshold. */
  readonly borrowWithinCohort: { readonly policy: "never" | "lower-priority"; readonly maxPriority?: number };
}

export type QueueingStrategy = "strict-fifo" | "best-effort-fifo";

/** What a file says of a team, a business unit or a cohort. */
export interface Member {
  readonly name: string;
  readonly parent?: string;
  readonly quotas: Readonly<Record<string, Quota>>;
  /** In thousandths: 1000 is the weight 1. With 0 all that is borrowed counts as endless. */
  readonly weightMilli: number;
  /** Teams have queues; cohorts have members. */
  readonly queue?: {
    readonly strategy: QueueingStrategy;
    readonly preemption: PreemptionPolicies;
    /** What its work asks above it counts as it; absent: as much as is asked. */
    readonly highestPriority?: number;
    /** Absent: its idle work is not looked for. */
    readonly idle?: IdlePolicy;
  };
}

/** A member in its place. Lists by resource are in the order of the tree's `resources`. */
export interface QuotaNode extends Member {
  readonly index: number;
  readonly parentIndex: number | undefined;
  /** Itself first, its root last. */
  readonly path: readonly number[];
  readonly isCovered: readonly boolean[];
  /** Its own nominal and what its members lend it. */
  readonly subtree: readonly number[];
  /** The part of it that it never lends. */
  readonly guaranteed: readonly number[];
  readonly borrowing: readonly number[];
}

/** How preemption and turns look at shares; `off` is Kueue without fair sharing. */
export type FairStrategy = "final-share" | "initial-share";

export interface QuotaTree {
  readonly resources: readonly string[];
  readonly nodes: readonly QuotaNode[];
  /** Empty: turns go by priority and age, and only quotas are reclaimed. */
  readonly fairSharing: readonly FairStrategy[];
}

/**
 * Puts members in their places. Sums go up as Kueue's do: what a member lends is part of its cohort's quota.
 *
 * @param members parents are named, none is its own ancestor, and names are unique
 */
export function quotaTree(
  members: readonly Member[],
  resources: readonly string[],
  fairSharing: readonly FairStrategy[] = [],
): QuotaTree {
  const indexOf = new Map(members.map(({ name }, index) => [name, index]));
  const parents = members.map(({ parent }) => (parent === undefined ? undefined : indexOf.get(parent)));
  const paths = members.map((_, index) => pathOf(parents, index));
  const of = (index: number, resource: string): Quota | undefined =>
    Object.hasOwn(members[index]?.quotas ?? {}, resource) ? members[index]?.quotas[resource] : undefined;
  const own = members.map((_, index) => resources.map((resource) => of(index, resource)?.nominal ?? 0));
  const subtree = own.map((row) => [...row]);
  const guaranteed = own.map((row) => row.map(() => 0));
  const deepestFirst = members
    .map((_, index) => index)
    .toSorted((a, b) => (paths[b]?.length ?? 0) - (paths[a]?.length ?? 0));
  for (const index of deepestFirst)
    for (const [r, resource] of resources.entries()) {
      const quota = subtree[index]?.[r] ?? 0;
      const kept = Math.max(0, quota - (of(index, resource)?.lendingLimit ?? Number.POSITIVE_INFINITY));
      const row = guaranteed[index];
      if (row) row[r] = kept;
      const above = subtree[parents[index] ?? -1];
      if (above) above[r] = (above[r] ?? 0) + quota - kept;
    }
  const nodes = members.map((member, index) => ({
    ...member,
    index,
    parentIndex: parents[index],
    path: paths[index] ?? [],
    isCovered: resources.map((resource) => of(index, resource) !== undefined),
    subtree: subtree[index] ?? [],
    guaranteed: guaranteed[index] ?? [],
    borrowing: resources.map((resource) => of(index, resource)?.borrowingLimit ?? Number.POSITIVE_INFINITY),
  }));
  return { resources, nodes, fairSharing };
}

/** Who states a priority says how much its own work matters to it; how much it matters to others is for the quotas to say. Pure. */
export function boundedPriority(node: Pick<QuotaNode, "queue"> | undefined, priority: number): number {
  return Math.min(priority, node?.queue?.highestPriority ?? priority);
}

function pathOf(parents: readonly (number | undefined)[], from: number): number[] {
  const path: number[] = [];
  for (let at: number | undefined = from; at !== undefined; at = parents[at]) {
    if (path.includes(at)) throw new Error("a cohort is its own ancestor");
    path.push(at);
  }
  return path;
}

/** A node of a tree by its index, which is from the same tree. */
export function nodeAt(tree: QuotaTree, index: number): QuotaNode {
  const node = tree.nodes[index];
  if (!node) throw new RangeError(`no node ${index} in a tree of ${tree.nodes.length}`);
  return node;
}
