import { nodeAt, type QuotaNode, type QuotaTree } from "./tree.ts";

/** Work that waits or runs. Amounts are by resource, in the order of the tree's `resources`. */
export interface QuotaJob {
  readonly id: string;
  /** Index of its team. */
  readonly team: number;
  readonly priority: number;
  /** Stays the same when it is evicted and waits again. */
  readonly arrivedAt: number;
  readonly amounts: readonly number[];
  /** Whether it ran before and had to go: then it evicts others for what is its team's own, and no longer to borrow. */
  readonly wasEvicted?: boolean;
}

export interface AdmittedJob extends QuotaJob {
  /** Larger is later. */
  readonly admittedAt: number;
}

/**
 * What is used, by node and resource. A cohort's usage is what its members use beyond that which they never lend, so that it is the same in whatever
 * order jobs came. Changed in place while a preemption is tried.
 */
export class Usage {
  readonly tree: QuotaTree;
  readonly #used: number[][];

  constructor(tree: QuotaTree, jobs: readonly QuotaJob[] = [], used?: number[][]) {
    this.tree = tree;
    this.#used = used ?? tree.nodes.map(() => tree.resources.map(() => 0));
    for (const job of jobs) this.add(job);
  }

  copy(): Usage {
    return new Usage(
      this.tree,
      [],
      this.#used.map((row) => [...row]),
    );
  }

  of(node: number, resource: number): number {
    return this.#used[node]?.[resource] ?? 0;
  }

  add(job: QuotaJob): void {
    this.#change(job, 1);
  }

  remove(job: QuotaJob): void {
    this.#change(job, -1);
  }

  /** How much more it may take now: its own and what its cohort has, within its borrowing limit and those above. Kueue's `available`. */
  available(node: QuotaNode, r: number): number {
    const { parentIndex, subtree, guaranteed, borrowing } = node;
    const used = this.of(node.index, r);
    const quota = subtree[r] ?? 0;
    if (parentIndex === undefined) return quota - used;
    const kept = guaranteed[r] ?? 0;
    const ofParent = this.available(nodeAt(this.tree, parentIndex), r);
    const mostOfParent = quota - kept - Math.max(0, used - kept) + (borrowing[r] ?? 0);
    return Math.max(0, kept - used) + Math.min(ofParent, mostOfParent);
  }

  fits(job: QuotaJob): boolean {
    return this.shortOf(job).length === 0;
  }

  /** The resources of which there is not enough for the job. */
  shortOf({ team, amounts }: QuotaJob): number[] {
    const node = nodeAt(this.tree, team);
    return amounts.flatMap((amount, r) => (amount > 0 && amount > this.available(node, r) ? [r] : []));
  }

  /** Whether it uses more than its own of one of them. */
  isBorrowing({ index, subtree }: QuotaNode, resources: readonly number[]): boolean {
    return resources.some((r) => this.of(index, r) > (subtree[r] ?? 0));
  }

  /** Whether the team stays within its own with the job, in all that the job asks for. */
  isWithinNominal({ team, amounts }: QuotaJob): boolean {
    const { subtree } = nodeAt(this.tree, team);
    return amounts.every((amount, r) => amount === 0 || this.of(team, r) + amount <= (subtree[r] ?? 0));
  }

  #change({ team, amounts }: QuotaJob, sign: 1 | -1): void {
    const { path } = nodeAt(this.tree, team);
    for (const [r, amount] of amounts.entries()) {
      let change = sign * amount;
      for (const index of path) {
        if (change === 0) break;
        const row = this.#used[index];
        if (!row) break;
        const kept = nodeAt(this.tree, index).guaranteed[r] ?? 0;
        const before = row[r] ?? 0;
        row[r] = before + change;
        change = Math.max(0, before + change - kept) - Math.max(0, before - kept);
      }
    }
  }
}

/** The most that it could ever have, were all else idle. Kueue's `potentialAvailable`. */
export function mostOf(tree: QuotaTree, node: QuotaNode, r: number): number {
  const { parentIndex, subtree, guaranteed, borrowing } = node;
  const quota = subtree[r] ?? 0;
  if (parentIndex === undefined) return quota;
  const reach = (guaranteed[r] ?? 0) + mostOf(tree, nodeAt(tree, parentIndex), r);
  return Math.min(quota + (borrowing[r] ?? 0), reach);
}

/**
 * Dominant resource share: of all resources the largest part of what its cohort could lend that it borrows, over its weight. 0 where it borrows
 * nothing. One rounding, so that equal shares compare as equal.
 */
export function shareOf(usage: Usage, node: QuotaNode): number {
  const { parentIndex, subtree, weightMilli, index } = node;
  if (parentIndex === undefined) return 0;
  const parent = nodeAt(usage.tree, parentIndex);
  let share = 0;
  for (const [r, quota] of subtree.entries()) {
    const borrowed = usage.of(index, r) - quota;
    if (borrowed <= 0) continue;
    if (weightMilli === 0) return Number.POSITIVE_INFINITY;
    share = Math.max(share, (1000 * borrowed) / (mostOf(usage.tree, parent, r) * weightMilli));
  }
  return share;
}
